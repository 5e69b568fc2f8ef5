# VOC, 10 classes and then ten single ones, eleven steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='10-1')
