# Cityscapes, all 19 classes at every step, from 11 cities and then ten single ones, eleven steps.
_base_ = './deeplabv3_r101_cityscapes-domain_11-5.py'
protocol = dict(name='11-1')
