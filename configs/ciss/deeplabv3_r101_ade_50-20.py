# ADE20K, 50 classes and then five times twenty, six steps.
_base_ = './deeplabv3_r101_ade_100-50.py'
protocol = dict(name='50-20')
