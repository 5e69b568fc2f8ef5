# ADE20K, three times fifty classes, three steps.
_base_ = './deeplabv3_r101_ade_100-50.py'
protocol = dict(name='50-50')
