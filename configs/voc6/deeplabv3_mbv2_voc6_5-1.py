# All but sheep, then sheep, two steps.
_base_ = './deeplabv3_mbv2_voc6_3-1.py'
protocol = dict(name='5-1')
