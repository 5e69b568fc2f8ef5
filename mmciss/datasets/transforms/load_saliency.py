"""Loading and packing saliency maps."""

from __future__ import annotations

import os.path as osp
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from mmciss.errors import ConfigError


@TRANSFORMS.register_module()
class LoadSaliency(BaseTransform):
    """Loads the saliency map of an image, which marks the pixels of objects of any class.

    Maps are found by name: ``JPEGImages/a.jpg`` has the map ``folder/a.png``. They are cropped, flipped and resized
    along with the labels.

    Required keys: ``img_path``, ``seg_fields``. Added key: ``gt_saliency`` (H, W) uint8, 1 where the map is greater
    than ``threshold``.

    Args:
        folder: Folder of the maps, grey images as large as the photographs.
        suffix: Suffix of their names.
        threshold: Values above it (0..255) are salient; 0 as in SSUL's release.

    Raises:
        ConfigError: If the folder does not exist.
    """

    def __init__(self, folder: str, suffix: str = '.png', threshold: int = 0) -> None:
        if not osp.isdir(folder):
            raise ConfigError(
                f'train_pipeline: LoadSaliency.folder: not found: {folder} (current folder: '
                f'{osp.abspath(osp.curdir)}). Expected: one grey image per photograph, IMAGE{suffix}'
            )
        self.folder = folder
        self.suffix = suffix
        self.threshold = threshold

    def path_of(self, image: str) -> str:
        """Returns the map's path for an image's path."""
        return osp.join(self.folder, osp.splitext(osp.basename(image))[0] + self.suffix)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds the map.

        Raises:
            FileNotFoundError: If it cannot be read.
            ValueError: If its size differs from the image's.
        """
        path = self.path_of(results['img_path'])
        saliency = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        if saliency is None:
            raise FileNotFoundError(
                f'{path}: no readable saliency map for {results["img_path"]} '
                f'(train_pipeline: LoadSaliency.folder={self.folder!r})'
            )
        if saliency.shape != results['img'].shape[:2]:
            raise ValueError(
                f'{path}: is {saliency.shape}, its image {results["img_path"]} is {results["img"].shape[:2]}'
            )
        results['gt_saliency'] = (saliency > self.threshold).astype(np.uint8)
        results.setdefault('seg_fields', []).append('gt_saliency')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.folder!r}, {self.suffix!r}, {self.threshold})'


@TRANSFORMS.register_module()
class PackSaliencyInputs(PackSegInputs):
    """Packs the saliency map in addition to what :class:`mmseg.datasets.transforms.PackSegInputs` packs.

    Added to the sample: ``gt_saliency``, ``PixelData`` with ``data`` (1, H, W) uint8.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Packs the results."""
        packed = super().transform(results)
        if 'gt_saliency' in results:
            saliency = np.ascontiguousarray(results['gt_saliency'])[None]
            packed['data_samples'].gt_saliency = PixelData(data=torch.from_numpy(saliency))
        return packed
