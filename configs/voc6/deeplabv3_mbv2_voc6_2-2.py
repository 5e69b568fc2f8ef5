# Cat and cow, then dog and horse, then person and sheep, three steps.
_base_ = './deeplabv3_mbv2_voc6_3-1.py'
protocol = dict(name='2-2')
