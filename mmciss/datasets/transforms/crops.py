"""The papers' crops: a random resized one for training, a central square for testing."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS
from PIL import Image

Box = tuple[int, int, int, int]
"""Top, left, height, width in pixels."""


@TRANSFORMS.register_module()
class SegRandomResizedCrop(BaseTransform):
    """Crops a random box and resizes it, as MiB and its successors do (Cermelli et al., CVPR 2020).

    ``scale`` is a fraction of the image's AREA, and a box is accepted only if it lies inside the image. So although the
    papers write (0.5, 2.0), sizes above 1 are always rejected, and the image is never padded: there are no new ignored
    pixels. After ten rejections the central crop limited to ``ratio`` is taken, usually the whole image.

    Required and modified keys: ``img`` (H, W, C), every key in ``seg_fields`` (H, W), ``img_shape``. Added keys:
    ``scale``, ``crop_box`` (top, left, height, width), ``keep_ratio``, ``scale_factor`` (w, h).

    Args:
        crop_size: Side, or (height, width), of the result in pixels.
        scale: Smallest and largest area of the box as a fraction of the image.
        ratio: Smallest and largest width / height of the box, drawn uniformly in its logarithm.

    Raises:
        ValueError: If a range is empty or not positive.
    """

    TRIES = 10

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        scale: tuple[float, float] = (0.5, 2.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ) -> None:
        height, width = (crop_size, crop_size) if isinstance(crop_size, int) else crop_size
        self.crop_size = (height, width)
        ranges = dict(crop_size=(1, min(self.crop_size)), scale=scale, ratio=ratio)
        for key, (low, high) in ranges.items():
            if not 0 < low <= high:
                raise ValueError(f'SegRandomResizedCrop.{key}: needs 0 < smallest <= largest, got {(low, high)}.')
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)

    @cache_randomness
    def random_box(self, height: int, width: int) -> Box:
        """Draws the box to crop, (top, left, height, width) in pixels."""
        for _ in range(self.TRIES):
            area = height * width * np.random.uniform(self.scale[0], self.scale[1])
            aspect = math.exp(np.random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < box_width <= width and 0 < box_height <= height:
                return (
                    int(np.random.randint(0, height - box_height + 1)),
                    int(np.random.randint(0, width - box_width + 1)),
                    box_height,
                    box_width,
                )
        return self._fallback_box(height, width)

    def _fallback_box(self, height: int, width: int) -> Box:
        """Returns the largest central box whose shape lies within ``ratio``."""
        wanted_width = min(width, max(1, round(height * self.ratio[1])))
        wanted_height = min(height, max(1, round(width / self.ratio[0])))
        return central_box((height, width), (wanted_height, wanted_width))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crops and resizes the image and its labels."""
        height, width = results['img'].shape[:2]
        box = self.random_box(height, width)
        results['img'] = resize_image(crop(results['img'], box), self.crop_size)
        for key in results.get('seg_fields', []):
            results[key] = resize_labels(crop(results[key], box), self.crop_size)
        results['img_shape'] = results['img'].shape[:2]
        results['crop_box'] = box
        results['scale'] = self.crop_size[::-1]
        results['scale_factor'] = (self.crop_size[1] / box[3], self.crop_size[0] / box[2])
        results['keep_ratio'] = False
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size}, scale={self.scale}, ratio={self.ratio})'


@TRANSFORMS.register_module()
class SegCenterCrop(BaseTransform):
    """Resizes the shorter side to ``crop_size`` and keeps the central square, of image and labels alike.

    The papers evaluate on this square. MMSegmentation scales predictions back to ``ori_shape``, so that is set to the
    crop too; place this transform AFTER ``LoadAnnotations``.

    Required and modified keys: ``img`` (H, W, C), every key in ``seg_fields`` (H, W), ``img_shape``, ``ori_shape``.

    Args:
        crop_size: Side of the square in pixels.
    """

    def __init__(self, crop_size: int) -> None:
        if crop_size < 1:
            raise ValueError(f'SegCenterCrop.crop_size: must be at least 1, got {crop_size}.')
        self.crop_size = crop_size

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes and crops the image and its labels."""
        height, width = results['img'].shape[:2]
        short = min(height, width)
        # Rounds down, as torchvision's Resize does.
        size = (height * self.crop_size // short, width * self.crop_size // short)
        box = central_box(size, (self.crop_size, self.crop_size))
        results['img'] = crop(resize_image(results['img'], size), box)
        for key in results.get('seg_fields', []):
            results[key] = crop(resize_labels(results[key], size), box)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        results['scale_factor'] = (size[1] / width, size[0] / height)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size})'


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (H, W, C) to ``size`` (height, width), bilinear.

    8-bit colour images are resized by PIL, as in the papers: when shrinking, it averages over the whole footprint,
    while OpenCV skips pixels. Other images are resized by OpenCV.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        return np.array(resized)  # a copy: PIL's own memory is read-only
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (H, W) label ids to ``size`` (height, width), nearest neighbour.

    OpenCV's ``INTER_NEAREST`` takes the upper left pixel, half a pixel off the bilinear image; the exact version takes
    the centre.
    """
    if labels.shape[:2] == tuple(size):
        return labels
    return cv2.resize(labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def crop(array: np.ndarray, box: Box) -> np.ndarray:
    """Cuts ``box`` out of (H, W, ...)."""
    top, left, height, width = box
    return np.ascontiguousarray(array[top : top + height, left : left + width])


def central_box(size: tuple[int, int], wanted: tuple[int, int]) -> Box:
    """Returns the box of ``wanted`` (height, width) in the middle of an image of ``size``.

    Examples:
        >>> central_box((10, 9), (4, 4))
        (3, 2, 4, 4)
    """
    height, width = min(size[0], wanted[0]), min(size[1], wanted[1])
    return (round((size[0] - height) / 2), round((size[1] - width) / 2), height, width)
