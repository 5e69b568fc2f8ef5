# VOC, 5 classes and then fifteen single ones, sixteen steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='5-1')
