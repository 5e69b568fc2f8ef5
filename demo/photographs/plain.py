"""Plain MMSegmentation, as anybody uses it: the models to start from, and training without mmciss."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from photographs.folders import CLASSES, PALETTE

CROP = 128
NORM = dict(type='BN', requires_grad=True)
CLASSIFIER = 'decode_head.conv_seg'


def deeplabv3(weights: str) -> dict[str, Any]:
    """DeepLabV3 with a narrow ASPP on an ImageNet MobileNetV2 at output stride 16."""
    backbone = dict(strides=(1, 2, 2, 2, 1, 1, 1), dilations=(1, 1, 1, 1, 1, 2, 2))
    head = dict(type='ASPPHead', in_channels=320, in_index=3, channels=96, dilations=(1, 3, 6, 9))
    return segmentor(mobilenet(weights, **backbone), head)


def segformer_head(weights: str) -> dict[str, Any]:
    """SegFormer's head on the same MobileNetV2 at strides 4 to 32."""
    return segmentor(
        mobilenet(weights),
        dict(type='SegformerHead', in_channels=[24, 32, 96, 320], in_index=[0, 1, 2, 3], channels=128),
    )


def segformer(weights: str) -> dict[str, Any]:
    """SegFormer with half the width of MiT-B0, from scratch."""
    del weights
    backbone = dict(
        type='MixVisionTransformer',
        embed_dims=16,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        drop_path_rate=0.0,
    )
    return segmentor(
        backbone, dict(type='SegformerHead', in_channels=[16, 32, 80, 128], in_index=[0, 1, 2, 3], channels=96)
    )


def mobilenet(weights: str, **options: Any) -> dict[str, Any]:
    """MobileNetV2 with four scales."""
    return dict(
        type='MobileNetV2',
        out_indices=(1, 2, 4, 6),
        norm_cfg=NORM,
        init_cfg=dict(type='Pretrained', checkpoint=weights),
        **options,
    )


def segmentor(backbone: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    """An EncoderDecoder with MMSegmentation's usual settings."""
    preprocessor = dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(CROP, CROP),
    )
    head.update(dropout_ratio=0.1, norm_cfg=NORM, align_corners=False, loss_decode=dict(type='CrossEntropyLoss'))
    return dict(
        type='EncoderDecoder',
        data_preprocessor=preprocessor,
        backbone=backbone,
        decode_head=head,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def adamw(lr: float) -> dict[str, Any]:
    """AdamW; the head, which starts at random, learns ten times faster."""
    keys = {'norm': dict(decay_mult=0.0), 'head': dict(lr_mult=10.0)}
    return dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=lr, weight_decay=0.01),
        paramwise_cfg=dict(custom_keys=keys),
    )


MODELS = {
    'deeplabv3': (deeplabv3, adamw(2e-4), (400, 200)),
    'segformer_head': (segformer_head, adamw(2e-4), (200, 100)),
    'segformer': (segformer, adamw(5e-4), (1200, 200)),
}
"""Each model with its optimizer and the iterations of the model to start from and of each extension."""
TITLES = {
    'deeplabv3': 'DeepLabV3, MobileNetV2',
    'segformer_head': "SegFormer's head, MobileNetV2",
    'segformer': 'SegFormer, narrow MiT-B0 from scratch',
}


def config(
    model: dict[str, Any], optimizer: dict[str, Any], data: Path, num_classes: int, iterations: int, work_dir: Path
) -> Config:
    """Returns an ordinary training config.

    Args:
        model: Config of a segmentor without ``num_classes``.
        optimizer: Config of an optim wrapper.
        data: Folder with ``images/`` and ``masks/``.
        num_classes: Classes with the background.
        iterations: Iterations.
        work_dir: Where checkpoints go.
    """
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(240, 160), ratio_range=(0.8, 1.5), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(CROP, CROP), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(data),
        img_suffix='.jpg',
        seg_map_suffix='.png',
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        pipeline=pipeline,
        metainfo=dict(classes=CLASSES[:num_classes], palette=PALETTE[:num_classes]),
    )
    test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    model = dict(model, decode_head=dict(model['decode_head'], num_classes=num_classes))
    return Config(
        dict(
            default_scope='mmseg',
            model=model,
            optim_wrapper=optimizer,
            param_scheduler=[dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=iterations, by_epoch=False)],
            train_dataloader=dict(
                batch_size=8,
                num_workers=0,
                persistent_workers=False,
                dataset=dataset,
                sampler=dict(type='InfiniteSampler', shuffle=True),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=10**9),
            test_pipeline=test_pipeline,
            test_dataloader=dict(dataset=dict(dataset, pipeline=test_pipeline)),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=100, max_keep_ckpts=1),
            ),
            log_processor=dict(by_epoch=False),
            randomness=dict(seed=0),
            work_dir=str(work_dir),
            experiment_name='-'.join(work_dir.parts[-2:]),
        )
    )


def train(cfg: Config, start_from: Path | None = None) -> Path:
    """Trains with MMSegmentation and returns the checkpoint; continues an interrupted training.

    Args:
        cfg: Of :func:`config`.
        start_from: Weights of a model with fewer classes; it gets a wider classifier with its rows copied.
    """
    folder = Path(cfg.work_dir)
    done = folder / 'model.pth'
    if done.is_file():
        return done
    folder.mkdir(parents=True, exist_ok=True)
    test = cfg.pop('test_dataloader')
    cfg.resume = (folder / 'last_checkpoint').is_file()
    start = time.perf_counter()
    runner = Runner.from_cfg(cfg)
    if start_from is not None and not cfg.resume:
        old = torch.load(start_from, map_location='cpu', weights_only=False)['state_dict']
        runner.model.init_weights()
        runner.model._is_init = True
        runner.model.load_state_dict(widened(old, runner.model.state_dict()))
    runner.train()
    cfg.test_dataloader = test
    cfg.dump(folder / 'config.py')
    meta = dict(dataset_meta=cfg.train_dataloader.dataset.metainfo.to_dict())
    torch.save(dict(state_dict=runner.model.state_dict(), meta=meta), done)
    (folder / 'seconds.json').write_text(json.dumps(time.perf_counter() - start), encoding='utf-8')
    return done


def widened(old: dict[str, Tensor], new: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the old weights with the classifier's further rows as a new model has them."""
    result = dict(old)
    for leaf in ('weight', 'bias'):
        rows = new[f'{CLASSIFIER}.{leaf}'].clone()
        rows[: len(old[f'{CLASSIFIER}.{leaf}'])] = old[f'{CLASSIFIER}.{leaf}']
        result[f'{CLASSIFIER}.{leaf}'] = rows
    return result
