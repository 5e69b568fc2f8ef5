# No image of a step shows a class of a later step.
_base_ = './deeplabv3_r101_voc_19-1.py'
protocol = dict(setting='disjoint')
