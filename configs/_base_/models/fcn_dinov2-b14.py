# One linear layer on a frozen DINOv2 ViT-B/14.
_base_ = './fcn_dinov2-s14.py'
model = dict(
    backbone=dict(
        arch='base',
        init_cfg=dict(
            checkpoint='https://mmassets.onedl.ai/mmpretrain/v1.0/dinov2/'
            'vit-base-p14_dinov2-pre_3rdparty_20230426-ba246503.pth'
        ),
    ),
    decode_head=dict(in_channels=768, channels=768),
)
