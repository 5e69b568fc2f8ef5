# 15 classes, then person, horse, sofa, cow and cat at once, two steps.
_base_ = './deeplabv3_mbv2_voc20_15-1.py'
protocol = dict(name='15-5')
