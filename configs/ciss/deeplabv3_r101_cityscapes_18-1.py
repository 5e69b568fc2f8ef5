# Cityscapes, 18 classes and then one, two steps.
_base_ = './deeplabv3_r101_cityscapes_14-1.py'
protocol = dict(name='18-1')
