# VOC, four times five classes, four steps.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(name='5-5')
