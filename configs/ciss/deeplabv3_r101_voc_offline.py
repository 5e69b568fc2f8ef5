# VOC, all 20 classes at once, the upper bound.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='offline')
method = dict(_delete_=True, name='Joint')
