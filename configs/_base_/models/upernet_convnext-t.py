# UPerNet on mmpretrain's ConvNeXt-T: any backbone of mmpretrain is used like this.
norm_cfg = dict(type='SyncBN', requires_grad=True)
# Of each batch the images have one size already, so nothing is padded: any crop size fits this
# file.
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
        type='mmpretrain.ConvNeXt',
        arch='tiny',
        out_indices=[0, 1, 2, 3],
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
        # By default this backbone pools its maps to one vector, of no use to segmentation.
        gap_before_final_norm=False,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmclassification/v0/convnext/downstream/'
            'convnext-tiny_3rdparty_32xb128-noema_in1k_20220301-795e9634.pth',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='UPerHead',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
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
