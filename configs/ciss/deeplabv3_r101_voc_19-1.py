# VOC, 19 classes and then one, two steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='19-1')
