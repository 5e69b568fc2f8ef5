# DeepLabV3 on ResNet-101 at output stride 16 as the MiB family has it (MiB, PLOP, AWT, RCIL, EWF): four
# branches of the pyramid reduced by a 1x1 convolution, the pooled one added to them, leaky ReLU of slope
# 0.01 behind every batch norm and sum. Their batch norm is activated in place, which is batch norm and
# leaky ReLU. RCIL's stem has no activation, which its recipes say. The releases start from ImageNet
# weights of their own activated ResNet; these are torchvision's.
_base_ = './deeplabv3_r101-d16.py'
model = dict(
    backbone=dict(type='LeakyResNet', negative_slope=0.01),
    decode_head=dict(type='AddedPoolASPPHead', act_cfg=dict(type='LeakyReLU', negative_slope=0.01)),
)
