# 10 shapes and then ten single ones, eleven steps.
_base_ = './shapes_15-1.py'
protocol = dict(name='10-1')
