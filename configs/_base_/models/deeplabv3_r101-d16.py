# DeepLabV3 on ResNet-101 at output stride 16 in MMSegmentation's form: five branches of 256 channels, image pooling one
# of them, joined by a 3x3 convolution; rates 6, 12 and 18. No paper of the field uses exactly this head: MiB's family
# has deeplabv3-added-pool_r101-d16.py, DKD and SSUL deeplabv3-projected_r101-d16.py, which configs/recipes take. This
# one needs only MMSegmentation, also when it is exported. There is no auxiliary head, because the papers train a single
# cross entropy, and no dropout, because distillation would compare dropped features with clean ones.
norm_cfg = dict(type='SyncBN', requires_grad=True)
# Of each batch the images have one size already, so nothing is padded: any crop size fits this file.
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size_divisor=1,
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='ResNet',
        depth=101,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 1, 2),
        strides=(1, 2, 2, 1),
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',
        # The weights of 'torchvision://resnet101', by address so that torchvision need not be installed.
        init_cfg=dict(type='Pretrained', checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
    ),
    decode_head=dict(
        type='ASPPHead',
        in_channels=2048,
        in_index=3,
        channels=256,
        dilations=(1, 6, 12, 18),
        dropout_ratio=0,
        num_classes=21,  # the runner sets it for each step
        norm_cfg=norm_cfg,
        align_corners=False,
        # The mean is over all pixels, ignored ones counted, as in MiB and PLOP.
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
