"""Tiny trained-looking models, and images with masks, on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from PIL import Image

import mmciss.register_all
from mmciss.datasets.labelled_data import LabelledData, Pair
from tests.models.tiny import segmentor_config

SIDE = 32
OLD = ('background', 'cat', 'dog')
STUFF = ('road', 'sky', 'tree')
PREPROCESSOR = dict(
    type='SegDataPreProcessor',
    mean=[127.5] * 3,
    std=[64.0] * 3,
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(SIDE, SIDE),
)
TRAIN_PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomCrop', crop_size=(SIDE, SIDE)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
TEST_PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(SIDE, SIDE)),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]


def segformer(num_classes: int) -> dict:
    """A SegFormer of a few thousand weights, with SyncBN as in MMSegmentation's configs."""
    backbone = dict(
        type='MixVisionTransformer',
        embed_dims=4,
        num_stages=4,
        num_layers=[1] * 4,
        num_heads=[1, 1, 1, 1],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        out_indices=(0, 1, 2, 3),
        mlp_ratio=2,
    )
    head = dict(
        type='SegformerHead',
        in_channels=[4] * 4,
        in_index=[0, 1, 2, 3],
        channels=8,
        dropout_ratio=0.1,
        num_classes=num_classes,
        norm_cfg=dict(type='SyncBN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    return dict(
        type='EncoderDecoder', backbone=backbone, decode_head=head, train_cfg=dict(), test_cfg=dict(mode='whole')
    )


def write_model(folder: Path, names: Sequence[str] = OLD, kind: str = 'fcn', named: bool = True) -> tuple[Path, Path]:
    """Writes the config and the checkpoint of a model with random weights.

    Args:
        folder: Where.
        names: Its classes.
        kind: ``'fcn'`` (with an auxiliary head) or ``'segformer'``.
        named: Whether the checkpoint holds the names.
    """
    init_default_scope('mmseg')
    folder.mkdir(parents=True, exist_ok=True)
    model = segformer(len(names)) if kind == 'segformer' else segmentor_config(len(names))
    optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.01) if kind == 'segformer' else dict(type='SGD', lr=0.1)
    cfg = Config(
        dict(
            model={**model, 'data_preprocessor': PREPROCESSOR},
            optim_wrapper=dict(type='OptimWrapper', optimizer=optimizer),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=8000),
            train_dataloader=dict(batch_size=4, dataset=dict(type='BaseSegDataset', pipeline=TRAIN_PIPELINE)),
            test_dataloader=dict(dataset=dict(type='BaseSegDataset', pipeline=TEST_PIPELINE)),
        )
    )
    torch.manual_seed(0)
    built = MODELS.build(cfg.model)
    built.init_weights()
    for _ in range(3):  # the batch norms get statistics of their own
        built.train()(torch.randn(4, 3, SIDE, SIDE), mode='tensor')
    meta = dict(dataset_meta=dict(classes=tuple(names), palette=[[10 * i, 0, 0] for i in range(len(names))]))
    config, checkpoint = folder / 'config.py', folder / 'weights.pth'
    config.write_text(cfg.pretty_text, encoding='utf-8')
    torch.save({'state_dict': built.state_dict(), 'meta': meta if named else {}}, checkpoint)
    return config, checkpoint


def train_model(config: Path, checkpoint: Path, images: Path, masks: Path, iters: int, lr: float = 0.05) -> None:
    """Trains a model of :func:`write_model` with plain MMSegmentation, in place."""
    cfg = Config.fromfile(config)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    dataset = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        pipeline=pipeline,
        data_prefix=dict(img_path=str(images), seg_map_path=str(masks)),
    )
    content = torch.load(checkpoint, weights_only=True)
    runner = Runner.from_cfg(
        Config(
            dict(
                default_scope='mmseg',
                model=cfg.model,
                load_from=str(checkpoint),
                work_dir=str(config.parent / 'train'),
                experiment_name=f'train_{config.parent.parent.name}',
                randomness=dict(seed=0),
                log_level='ERROR',
                train_dataloader=dict(
                    batch_size=4, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True), dataset=dataset
                ),
                optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr, momentum=0.9)),
                train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters),
                default_hooks=dict(checkpoint=None),
            )
        )
    )
    runner.train()
    torch.save({**content, 'state_dict': runner.model.state_dict()}, checkpoint)


def write_images(
    folder: Path, count: int = 6, ids: Sequence[int] = (0, 1, 2), side: int = SIDE, seed: int = 0
) -> tuple[Path, Path]:
    """Writes images whose blocks of 8 pixels have a colour for each id, and palette PNG masks of these ids."""
    images, masks = folder / 'images', folder / 'masks'
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(seed)
    for number in range(count):
        blocks = random.choice(ids, size=(side // 8, side // 8))
        blocks.flat[: len(ids)] = ids  # every id is there
        mask = np.kron(blocks, np.ones((8, 8), np.uint8)).astype(np.uint8)
        noise = random.randint(0, 30, size=(side, side, 3))
        image = (mask[..., None] * np.array([61, 37, 17]) + noise).astype(np.uint8)
        Image.fromarray(image).save(images / f'{number:02}.png')
        palette = Image.fromarray(mask, mode='P')
        palette.putpalette([value % 256 for value in range(768)])
        palette.save(masks / f'{number:02}.png')
    return images, masks


def data_config(path: Path, images: Path, masks: Path, names: tuple[str, ...]) -> Path:
    """Writes a config of MMSegmentation with a test set."""
    dataset = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        metainfo=dict(classes=names),
        data_prefix=dict(img_path=str(images), seg_map_path=str(masks)),
    )
    path.write_text(f'test_dataloader = dict(dataset={dataset!r})', encoding='utf-8')
    return path


def labelled(images: Path, masks: Path, **options) -> LabelledData:
    """Returns the pairs of two folders of :func:`write_images`."""
    pairs = tuple(Pair(str(path), str(masks / path.name)) for path in sorted(images.iterdir()))
    return LabelledData('--masks', str(masks), pairs, **options)
