# Cityscapes, 14 classes and then five, two steps.
_base_ = './deeplabv3_r101_cityscapes_14-1.py'
protocol = dict(name='14-5')
