# DeepLabV3 on ResNet-101 at output stride 16 as SDR has it: torchvision's ResNet with ReLU, and the head of
# deeplabv3-added-pool_r101-d16.py without any activation, with torch's default initialisation.
_base_ = './deeplabv3_r101-d16.py'
model = dict(decode_head=dict(type='AddedPoolASPPHead', act_cfg=None, initialisation='torch'))
