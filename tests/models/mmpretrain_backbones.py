"""Backbones of mmpretrain and timm under an FCN head, as small as each family allows."""

from __future__ import annotations

from typing import Any

IMAGE = dict(img_size=64, patch_size=16)
VIT = dict(arch=dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=48), out_type='featmap', **IMAGE)
BACKBONES: dict[str, tuple[dict[str, Any], int]] = {
    'ConvNeXt': (
        dict(arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 24, 32]), out_indices=[3], gap_before_final_norm=False),
        32,
    ),
    'VisionTransformer': (VIT, 24),
    'SwinTransformer': (
        dict(
            arch=dict(embed_dims=12, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8]),
            img_size=64,
            window_size=4,
            pad_small_map=True,
        ),
        96,
    ),
    'SwinTransformerV2': (
        dict(
            arch=dict(embed_dims=12, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], extra_norm_every_n_blocks=0),
            img_size=64,
            window_size=[4, 4, 4, 2],
        ),
        96,
    ),
    'BEiTViT': (VIT, 24),
    'MobileNetV2': (dict(widen_factor=0.35), 1280),
    'MobileNetV3': (dict(arch='small_050'), 288),
    'MobileOne': (
        dict(
            arch=dict(
                num_blocks=[1, 1, 1, 1], width_factor=[0.25] * 4, num_conv_branches=[1] * 4, num_se_blocks=[0] * 4
            ),
            out_indices=(3,),
        ),
        128,
    ),
    'EfficientNet': (dict(arch='b0'), 1280),
    'EfficientNetV2': (dict(arch='b0'), 1280),
    'ResNet': (dict(depth=18), 512),
    'ResNeXt': (dict(depth=50, groups=32, width_per_group=4), 2048),
    'Res2Net': (dict(depth=50, scales=4, base_width=14), 2048),
    'SEResNet': (dict(depth=50), 2048),
    'RegNet': (dict(arch='regnetx_400mf'), 384),
    'RepVGG': (dict(arch='A0', out_indices=(3,)), 1280),
    'VGG': (dict(depth=11, out_indices=(4,)), 512),
    'ShuffleNetV2': (dict(widen_factor=0.5), 1024),
    'DenseNet': (dict(arch='121'), 1024),
    'CSPDarkNet': (dict(depth=53), 1024),
    'HRNet': (dict(arch='w18'), 144),
    'PoolFormer': (dict(arch='s12', out_indices=(6,)), 512),
    'PCPVT': (dict(arch='small'), 512),
    'VAN': (dict(arch='tiny'), 256),
    'EdgeNeXt': (dict(arch='xxsmall', gap_before_final_norm=False), 168),
    'HorNet': (dict(arch='tiny-gf', gap_before_final_norm=False), 512),
    'MViT': (dict(arch='tiny'), 768),
    'XCiT': (
        dict(embed_dims=24, depth=2, cls_attn_layers=1, num_heads=2, out_type='featmap', out_indices=(1,), **IMAGE),
        24,
    ),
    'MixMIMTransformer': (dict(arch='base', img_size=64, window_size=[4, 4, 4, 2]), 1024),
    'TinyViT': (
        dict(arch='5m', img_size=(64, 64), window_size=[7, 7, 14, 7], out_indices=(3,), gap_before_final_norm=False),
        320,
    ),
    'LeViT': (dict(arch='128s', img_size=64), 384),
    'DaViT': (dict(arch='tiny', out_indices=(3,), window_size=2), 768),
    'InceptionV3': (dict(), 2048),
}
"""Arguments of each backbone and channels of its last map."""
TIMM = {'resnet10t': 512, 'convnext_atto': 320, 'mobilenetv3_small_050': 288}
"""Names of timm's models and channels of their last map."""


def segmentor_on(name: str, side: int) -> dict[str, Any]:
    """Returns a config of an FCN head on the last map of a backbone, with PASCAL VOC's classes."""
    options, channels = BACKBONES[name]
    imports = dict(imports=['mmpretrain.models'], allow_failed_imports=False)
    return dict(custom_imports=imports, **_fcn_on(dict(type=f'mmpretrain.{name}', **options), channels, side))


def segmentor_on_timm(name: str, side: int) -> dict[str, Any]:
    """Returns the same on a model of timm; MMSegmentation's wrapper asks for pretrained weights by default."""
    return _fcn_on(dict(type='TIMMBackbone', model_name=name), TIMM[name], side)


def _fcn_on(backbone: dict[str, Any], channels: int, side: int) -> dict[str, Any]:
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    loader = dict(batch_size=2, dataset=dict(type='PascalVOCDataset', pipeline=pipeline))
    head = dict(
        type='FCNHead',
        in_channels=channels,
        in_index=-1,
        channels=8,
        num_convs=1,
        concat_input=False,
        num_classes=21,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    preprocessor = dict(
        type='SegDataPreProcessor',
        mean=[127.5] * 3,
        std=[64.0] * 3,
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(side, side),
    )
    return dict(
        model=dict(
            type='EncoderDecoder',
            data_preprocessor=preprocessor,
            backbone=backbone,
            decode_head=head,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        ),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        train_dataloader=loader,
        test_dataloader=loader,
    )
