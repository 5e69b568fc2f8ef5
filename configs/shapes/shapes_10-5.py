# 10 shapes and then twice five, three steps.
_base_ = './shapes_15-1.py'
protocol = dict(name='10-5')
