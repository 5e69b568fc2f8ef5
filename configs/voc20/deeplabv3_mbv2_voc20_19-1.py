# All but cat, then cat, two steps.
_base_ = './deeplabv3_mbv2_voc20_15-1.py'
protocol = dict(name='19-1')
