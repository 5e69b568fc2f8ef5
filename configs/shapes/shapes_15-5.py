# 15 shapes and then five, two steps.
_base_ = './shapes_15-1.py'
protocol = dict(name='15-5')
