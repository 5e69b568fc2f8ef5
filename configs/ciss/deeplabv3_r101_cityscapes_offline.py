# Cityscapes, all 19 classes at once, the upper bound.
_base_ = './deeplabv3_r101_cityscapes_14-1.py'
protocol = dict(name='offline')
method = dict(_delete_=True, name='Joint')
