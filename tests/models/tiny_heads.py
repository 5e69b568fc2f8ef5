"""A tiny segmentor around every decode head of MMSegmentation whose classes are rows of layers.

``tiny_segmentor(name, num_classes)`` gives the config; ``HEADS`` the names; ``tiny_batch`` images
and labels.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

BN = dict(type='BN', requires_grad=True)
SIZE = 64
"""Height and width of the images."""


def resnet(**options: Any) -> dict[str, Any]:
    """ResNet-18 with stages of 8, 16, 32 and 64 channels at strides 4, 8, 8 and 8."""
    return (
        dict(
            type='ResNetV1c',
            depth=18,
            stem_channels=8,
            base_channels=8,
            norm_cfg=BN,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
        )
        | options
    )


def vit(**options: Any) -> dict[str, Any]:
    """Vision transformer with four layers of 16 channels and 8 x 8 tokens, one map per layer."""
    return (
        dict(
            type='VisionTransformer',
            img_size=(SIZE, SIZE),
            patch_size=8,
            embed_dims=16,
            num_layers=4,
            num_heads=2,
            mlp_ratio=2,
            out_indices=(0, 1, 2, 3),
            final_norm=False,
        )
        | options
    )


def head(kind: str, **options: Any) -> dict[str, Any]:
    """A head on the last stage of :func:`resnet`."""
    return (
        dict(
            type=kind,
            in_channels=64,
            in_index=3,
            channels=8,
            dropout_ratio=0,
            norm_cfg=BN,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss'),
        )
        | options
    )


def on(backbone: dict[str, Any], decode_head: Any, **options: Any) -> dict[str, Any]:
    """A segmentor."""
    return (
        dict(
            type='EncoderDecoder',
            backbone=backbone,
            decode_head=decode_head,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        )
        | options
    )


def _simple() -> dict[str, dict[str, Any]]:
    """Heads on one stage."""
    options: dict[str, dict[str, Any]] = {
        'APCHead': dict(pool_scales=(1, 2)),
        'ASPPHead': dict(dilations=(1, 2)),
        'CCHead': dict(recurrence=1),
        'DAHead': dict(pam_channels=4),
        'DepthwiseSeparableASPPHead': dict(dilations=(1, 2), c1_in_channels=8, c1_channels=4),
        'DepthwiseSeparableFCNHead': dict(channels=64, concat_input=False),
        'DMHead': dict(filter_sizes=(1, 3)),
        'DNLHead': {},
        'EMAHead': dict(ema_channels=8, num_bases=4, num_stages=2),
        'FCNHead': {},
        'GCHead': {},
        'ISAHead': dict(isa_channels=4, down_factor=(4, 4)),
        'NLHead': {},
        'PSAHead': dict(mask_size=(8, 8), psa_type='collect', shrink_factor=1),
        'PSPHead': dict(pool_scales=(1, 2)),
    }
    models = {kind: on(resnet(), head(kind, **extra)) for kind, extra in options.items()}
    models['DepthwiseSeparableASPPHead-v3'] = on(
        resnet(), head('DepthwiseSeparableASPPHead', dilations=(1, 2), c1_in_channels=0, c1_channels=0)
    )
    return models


def _pyramids() -> dict[str, dict[str, Any]]:
    """Heads on several stages."""
    last = dict(in_channels=[16, 32, 64], in_index=[1, 2, 3])
    every = dict(in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3])
    same = dict(in_channels=[16] * 4, in_index=[0, 1, 2, 3])
    ham = dict(MD_S=1, MD_R=4, train_steps=2, eval_steps=2, inv_t=100, rand_init=True)
    return {
        'ANNHead': on(
            resnet(),
            head(
                'ANNHead',
                in_channels=[32, 64],
                in_index=[2, 3],
                dropout_ratio=0.1,  # it cannot do without
                project_channels=8,
                key_pool_scales=(1, 2),
            ),
        ),
        'EncHead': on(resnet(), head('EncHead', num_codes=4, **last)),
        'LightHamHead': on(
            resnet(),
            head('LightHamHead', ham_channels=8, ham_kwargs=ham, norm_cfg=dict(type='GN', num_groups=2), **last),
        ),
        # It pools windows of 49 x 49 pixels, so that it needs a map at full resolution.
        'LRASPPHead': on(
            dict(
                type='UNet',
                base_channels=4,
                num_stages=3,
                strides=(1,) * 3,
                enc_num_convs=(1,) * 3,
                dec_num_convs=(1,) * 2,
                downsamples=(True,) * 2,
                enc_dilations=(1,) * 3,
                dec_dilations=(1,) * 2,
                norm_cfg=BN,
            ),
            head(
                'LRASPPHead',
                branch_channels=(4, 4),
                in_channels=(16, 8, 4),
                in_index=(0, 1, 2),
                input_transform='multiple_select',
            ),
        ),
        'SegformerHead': on(resnet(), head('SegformerHead', **every)),
        'UPerHead': on(resnet(), head('UPerHead', pool_scales=(1, 2), **every)),
        'FPNHead': on(
            resnet(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1)),
            head('FPNHead', feature_strides=[4, 8, 16, 32], **same),
            neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=4),
        ),
        'DPTHead': on(
            vit(out_origin=False, output_cls_token=True, with_cls_token=True),
            head(
                'DPTHead',
                in_channels=(16,) * 4,
                in_index=(0, 1, 2, 3),
                embed_dims=16,
                post_process_channels=[4, 8, 8, 16],
                readout_type='project',
                patch_size=8,
                input_transform='multiple_select',
            ),
        ),
        'SegmenterMaskTransformerHead': on(
            vit(out_indices=(3,)),
            dict(
                type='SegmenterMaskTransformerHead',
                in_channels=16,
                channels=16,
                num_layers=1,
                num_heads=2,
                embed_dims=16,
                dropout_ratio=0.0,
                loss_decode=dict(type='CrossEntropyLoss'),
            ),
        ),
        'SETRMLAHead': on(
            vit(),
            head('SETRMLAHead', mla_channels=4, channels=16, **same),
            neck=dict(type='MLANeck', in_channels=[16] * 4, out_channels=16, norm_cfg=BN),
        ),
        'SETRUPHead': on(vit(), head('SETRUPHead', in_channels=16)),
    }


def _with_several_classifiers(classes: int) -> dict[str, dict[str, Any]]:
    """Cascades, real-time networks and K-Net."""
    ce = dict(type='CrossEntropyLoss')
    update = dict(
        type='KernelUpdateHead',
        num_classes=classes,
        num_ffn_fcs=2,
        num_heads=2,
        num_mask_fcs=1,
        feedforward_channels=8,
        in_channels=8,
        out_channels=8,
        dropout=0.0,
        conv_kernel_size=1,
        ffn_act_cfg=dict(type='ReLU', inplace=True),
        with_ffn=True,
        feat_transform_cfg=dict(conv_cfg=dict(type='Conv2d'), act_cfg=None),
        kernel_updator_cfg=dict(
            type='KernelUpdator',
            in_channels=8,
            feat_channels=8,
            out_channels=8,
            act_cfg=dict(type='ReLU', inplace=True),
            norm_cfg=dict(type='LN'),
        ),
    )
    # DDRHead and PIDHead do not hand on the index to ignore, which only OHEM has by default.
    ohem = dict(type='OhemCrossEntropy', thres=0.9, min_kept=10)
    boundary = dict(type='BoundaryLoss', loss_weight=1.0)
    return {
        'OCRHead': on(
            resnet(),
            [head('FCNHead', num_classes=classes), head('OCRHead', ocr_channels=4, num_classes=classes)],
            type='CascadeEncoderDecoder',
            num_stages=2,
        ),
        'PointHead': on(
            resnet(),
            [
                head('FCNHead', num_classes=classes),
                dict(
                    type='PointHead',
                    in_channels=[8],
                    in_index=[0],
                    channels=8,
                    num_fcs=2,
                    num_classes=classes,
                    dropout_ratio=-1,
                    align_corners=False,
                ),
            ],
            type='CascadeEncoderDecoder',
            num_stages=2,
            train_cfg=dict(num_points=32, oversample_ratio=3, importance_sample_ratio=0.75),
            test_cfg=dict(mode='whole', subdivision_steps=1, subdivision_num_points=4096, scale_factor=2),
        ),
        'DDRHead': on(
            dict(type='DDRNet', channels=8, ppm_channels=8, norm_cfg=BN),
            head('DDRHead', in_channels=32, in_index=-1, loss_decode=[ohem, ohem], num_classes=classes),
        ),
        'PIDHead': on(
            dict(type='PIDNet', channels=8, ppm_channels=8, num_stem_blocks=1, num_branch_blocks=1, norm_cfg=BN),
            head('PIDHead', in_channels=32, in_index=-1, num_classes=classes, loss_decode=[ce, ohem, boundary, ohem]),
        ),
        'IterativeDecodeHead': on(
            resnet(),
            dict(
                type='IterativeDecodeHead',
                num_stages=1,
                kernel_update_head=[update],
                kernel_generate_head=head('FCNHead', num_convs=1, concat_input=False, num_classes=classes),
            ),
        ),
    }


def _all(classes: int) -> dict[str, dict[str, Any]]:
    models = {**_simple(), **_pyramids()}
    for model in models.values():
        model['decode_head']['num_classes'] = classes
    return models | _with_several_classifiers(classes)


HEADS = tuple(sorted(_all(3)))
"""Names that :func:`tiny_segmentor` takes."""

LAYERS = dict.fromkeys(HEADS, ('decode_head.conv_seg',)) | {
    'DAHead': ('decode_head.conv_seg', 'decode_head.pam_conv_seg', 'decode_head.cam_conv_seg'),
    'DDRHead': ('decode_head.conv_seg', 'decode_head.aux_cls_seg'),
    'EncHead': ('decode_head.conv_seg', 'decode_head.se_layer'),
    'IterativeDecodeHead': ('decode_head.kernel_generate_head.conv_seg',),
    'OCRHead': ('decode_head.0.conv_seg', 'decode_head.1.conv_seg'),
    'PIDHead': ('decode_head.conv_seg', 'decode_head.p_cls_seg'),
    'PointHead': ('decode_head.0.conv_seg', 'decode_head.1.fc_seg'),
    'SegmenterMaskTransformerHead': (),
}
"""The layers whose rows are classes, by name of the head."""


def tiny_segmentor(name: str, num_classes: int, auxiliary: bool = False) -> ConfigDict:
    """Returns the config of a segmentor that runs in milliseconds.

    Args:
        name: One of :data:`HEADS`.
        num_classes: Its channels.
        auxiliary: Whether to add an auxiliary FCN head (on ResNet only).
    """
    model = copy.deepcopy(_all(num_classes)[name])
    if auxiliary:
        model['auxiliary_head'] = head(
            'FCNHead', in_channels=32, in_index=2, num_convs=1, concat_input=False, num_classes=num_classes
        )
    return ConfigDict(model)


def tiny_batch(num_classes: int, images: int = 2, size: int = SIZE) -> tuple[Tensor, list]:
    """Returns images ``(N, 3, H, W)`` and samples with labels of all classes, some ignored."""
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(images, 3, size, size, generator=generator)
    samples = []
    for _ in range(images):
        coarse = torch.randint(0, num_classes, (1, 8, 8), generator=generator)
        label = coarse.repeat_interleave(size // 8, 1).repeat_interleave(size // 8, 2)
        label[:, :2] = 255
        sample = SegDataSample(
            metainfo=dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size), padding_size=[0] * 4)
        )
        sample.gt_sem_seg = PixelData(data=label)
        sample.gt_edge_map = PixelData(data=(label[..., :1].expand_as(label) == label).long())
        samples.append(sample)
    return inputs, samples


def point_sample_stub(maps: Tensor, points: Tensor, align_corners: bool = False, **options: Any) -> Tensor:
    """Stands in for mmcv's point_sample: values ``(N, C, P)`` at points ``(N, P, 2)`` from 0 to 1."""
    grid = 2 * points.unsqueeze(2) - 1
    return nn.functional.grid_sample(maps, grid, align_corners=align_corners, **options).squeeze(3)


class CrissCrossStub(nn.Module):
    """Stands in for the compiled criss-cross attention of mmcv, which the pure wheel lacks."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mixes each pixel with the mean of its row and column."""
        return x + self.mix(x.mean(2, keepdim=True) + x.mean(3, keepdim=True))


class PSAMaskStub(nn.Module):
    """Stands in for the compiled point-wise spatial attention mask of mmcv."""

    def __init__(self, psa_type: str, mask_size: tuple[int, int] | None = None) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Keeps as many channels as there are pixels."""
        return x[:, : x.shape[-2] * x.shape[-1]]
