# Cityscapes, 10 classes and then nine single ones, ten steps.
_base_ = './deeplabv3_r101_cityscapes_14-1.py'
protocol = dict(name='10-1')
