# VOC, 15 classes and then five, two steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='15-5')
