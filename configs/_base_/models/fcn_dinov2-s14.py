# One linear layer on a frozen DINOv2 ViT-S/14 (mmpretrain's VisionTransformer), the usual probe of a foundation model.
# Nothing but the classifier learns, and the teacher is the same network. frozen_stages=-1 trains the backbone too.
# Position embeddings follow the size of the images. Images are padded to whole patches of 14 pixels.
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size_divisor=14,
    test_cfg=dict(size_divisor=14),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch='dinov2-small',
        img_size=518,  # of the checkpoint
        patch_size=14,
        layer_scale_init_value=1e-5,
        out_type='featmap',
        frozen_stages=12,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmpretrain/v1.0/dinov2/'
            'vit-small-p14_dinov2-pre_3rdparty_20230426-5641ca5a.pth',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=384,
        in_index=0,
        channels=384,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=21,  # the runner sets it for each step
        align_corners=False,
        # The mean is over all pixels, ignored ones counted, as in MiB and PLOP.
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
