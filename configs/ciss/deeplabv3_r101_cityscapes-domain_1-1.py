# Cityscapes, all 19 classes at every step, from 21 single cities, twenty-one steps.
_base_ = './deeplabv3_r101_cityscapes-domain_11-5.py'
protocol = dict(name='1-1')
