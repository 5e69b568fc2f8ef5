# DeepLabV3 on ResNet-101 at output stride 16 as DKD and SSUL use it: a 1x1 convolution joins the branches of the
# pyramid, dropout of 0.1 behind it at the base step. DKD has a 3x3 convolution behind that; SSUL has one in
# every step's head, and its recipes take it out here (last_conv=False). The first block of the dilated stage is not
# dilated yet, as in torchvision's ResNet.
_base_ = './deeplabv3_r101-d16.py'
model = dict(backbone=dict(contract_dilation=True), decode_head=dict(type='ProjectedASPPHead', dropout_ratio=0.1))
