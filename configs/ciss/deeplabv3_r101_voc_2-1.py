# VOC, 2 classes and then eighteen single ones, nineteen steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='2-1')
