# VOC, 5 classes and then five times three, six steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='5-3')
