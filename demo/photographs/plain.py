"""Plain MMSegmentation, as anybody uses it: the models to start from, and training without mmciss."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

import mmciss.register_all  # mixed precision on a CPU, which mmengine refuses
from photographs.folders import CLASSES, PALETTE

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


def sgd(lr: float) -> dict[str, Any]:
    """SGD in mixed precision; the backbone, which is pretrained, learns at a tenth of the rate."""
    return dict(
        type='AmpOptimWrapper' if torch.cuda.is_available() else 'CpuAmpOptimWrapper',
        dtype='bfloat16',
        optimizer=dict(type='SGD', lr=lr, momentum=0.9, nesterov=True, weight_decay=0.0001),
        paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    )


@dataclass(frozen=True)
class Recipe:
    """A model and its training.

    Attributes:
        title: What the page calls it.
        make: From the file of ImageNet weights to the config of a segmentor without ``num_classes``.
        optimizer: Config of an optim wrapper.
        iterations: Of the model to start from.
        more: Of each extension; None leaves them to mmciss, and gives retraining 500 more for each.
        short_side: Of the photographs, in pixels.
        crop: Side of the square crops to train on, in pixels.
    """

    title: str
    make: Callable[[str], dict[str, Any]]
    optimizer: dict[str, Any]
    iterations: int
    more: int | None = None
    short_side: int = 160
    crop: int = 128

    @property
    def data(self) -> str:
        """Name of the folder of its photographs."""
        return f'data_{self.short_side}'

    def retraining(self, stage: int) -> int:
        """Returns the iterations of retraining on everything after an extension, 1 the first."""
        return self.iterations + (500 * stage if self.more is None else self.more)


MODELS = {
    'deeplabv3': Recipe('DeepLabV3, MobileNetV2', deeplabv3, sgd(0.02), 2000, short_side=256, crop=192),
    'deeplabv3_small': Recipe('DeepLabV3, MobileNetV2, small photographs', deeplabv3, adamw(2e-4), 400, 200),
    'segformer_head': Recipe("SegFormer's head, MobileNetV2", segformer_head, adamw(2e-4), 200, 100),
    'segformer': Recipe('SegFormer, narrow MiT-B0 from scratch', segformer, adamw(5e-4), 1200, 200),
}


def config(
    recipe: Recipe, weights: str, data: Path, num_classes: int, iterations: int, work_dir: Path, factor: float = 1.0
) -> Config:
    """Returns an ordinary training config.

    Args:
        recipe: The model and its training.
        weights: ImageNet weights of the backbone.
        data: Folder with ``images/`` and ``masks/``.
        num_classes: Classes with the background.
        iterations: Iterations.
        work_dir: Where checkpoints go.
        factor: Of the learning rate.
    """
    side, crop = recipe.short_side, (recipe.crop, recipe.crop)
    ratio = (0.5, 2.0) if side > 160 else (0.8, 1.5)
    optimizer = dict(
        recipe.optimizer, optimizer=dict(recipe.optimizer['optimizer'], lr=factor * recipe.optimizer['optimizer']['lr'])
    )
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(side * 3 // 2, side), ratio_range=ratio, keep_ratio=True),
        dict(type='RandomCrop', crop_size=crop, cat_max_ratio=0.75),
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
    model = recipe.make(weights)
    model['decode_head']['num_classes'] = num_classes
    model['data_preprocessor']['size'] = crop
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
