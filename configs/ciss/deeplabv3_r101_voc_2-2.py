# VOC, ten times two classes, ten steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='2-2')
