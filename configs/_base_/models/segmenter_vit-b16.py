# Segmenter with a mask transformer on ViT-B/16, as in MBS: ImageNet's mean and standard deviation, where
# MMSegmentation's own config of this network has 127.5 for both.
backbone_norm_cfg = dict(type='LN', eps=1e-6, requires_grad=True)
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
        type='VisionTransformer',
        img_size=(512, 512),
        patch_size=16,
        in_channels=3,
        embed_dims=768,
        num_layers=12,
        num_heads=12,
        drop_rate=0.0,
        attn_drop_rate=0.0,
        drop_path_rate=0.1,
        with_cls_token=True,
        final_norm=True,
        norm_cfg=backbone_norm_cfg,
        interpolate_mode='bicubic',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segmenter/'
            'vit_base_p16_384_20220308-96dfe169.pth',
        ),
    ),
    decode_head=dict(
        type='SegmenterMaskTransformerHead',
        in_channels=768,
        channels=768,
        num_layers=2,
        num_heads=12,
        embed_dims=768,
        dropout_ratio=0,
        num_classes=21,  # the runner sets it for each step
        align_corners=False,
        # The mean is over the pixels that are not ignored, as in MBS.
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
