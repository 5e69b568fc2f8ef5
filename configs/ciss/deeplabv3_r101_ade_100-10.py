# ADE20K, 100 classes and then five times ten, six steps.
_base_ = './deeplabv3_r101_ade_100-50.py'
protocol = dict(name='100-10')
