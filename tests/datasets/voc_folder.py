"""Tiny data sets on disk, in the layout of PASCAL VOC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


def write_voc(
    root: Path, images: Sequence[Sequence[int]], split: str = 'train', size: int = 16, prefix: str = 'im'
) -> Path:
    """Writes one picture per entry of ``images``; its mask holds the given ids in vertical stripes.

    Every mask begins with a stripe of 0.
    """
    for part in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (root / part).mkdir(parents=True, exist_ok=True)
    names = []
    for i, ids in enumerate(images):
        names.append(f'{prefix}{i}')
        stripes = np.array([0, *ids], dtype=np.uint8)
        mask = stripes[np.arange(size) * len(stripes) // size][None].repeat(size, axis=0)
        image = np.random.RandomState(i).randint(0, 256, (size, size, 3)).astype(np.uint8)
        Image.fromarray(image).save(root / f'JPEGImages/{names[-1]}.jpg', quality=95)
        Image.fromarray(mask).save(root / f'SegmentationClass/{names[-1]}.png')
    (root / f'ImageSets/Segmentation/{split}.txt').write_text('\n'.join(names) + '\n')
    return root


def voc_config(root: Path, split: str = 'train', pipeline: list | None = None, **kwargs: Any) -> dict[str, Any]:
    """Returns the config of a data set written by :func:`write_voc`."""
    return dict(
        type='PascalVOCDataset',
        data_root=str(root),
        pipeline=pipeline or PIPELINE,
        ann_file=f'ImageSets/Segmentation/{split}.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        **kwargs,
    )
