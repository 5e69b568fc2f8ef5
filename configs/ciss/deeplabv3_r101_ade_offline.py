# ADE20K, all 150 classes at once, the upper bound.
_base_ = './deeplabv3_r101_ade_100-50.py'
protocol = dict(name='offline')
method = dict(_delete_=True, name='Joint')
