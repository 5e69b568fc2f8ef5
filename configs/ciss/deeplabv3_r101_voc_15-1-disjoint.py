# No image of a step shows a class of a later step.
_base_ = './deeplabv3_r101_voc_15-1.py'
protocol = dict(setting='disjoint')
