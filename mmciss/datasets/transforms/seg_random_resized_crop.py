"""The training crop of the papers."""

from __future__ import annotations

import math

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from mmciss.datasets.transforms.resizing import Box, central_box, crop, resize_image, resize_labels


@TRANSFORMS.register_module()
class SegRandomResizedCrop(BaseTransform):
    """Crops a random box and resizes it, as MiB and its successors do (Cermelli et al., CVPR 2020).

    ``scale`` is a fraction of the image's AREA and a box is accepted only if it lies inside the
    image. So sizes above 1 are always rejected, although the papers write (0.5, 2.0), and the image
    is never padded: no ignored pixels arise. After ten rejections the central crop limited to
    ``ratio`` is taken, usually the whole image.

    Required and modified keys: ``img`` (H, W, C), every key in ``seg_fields`` (H, W),
    ``img_shape``. Added keys: ``scale``, ``crop_box`` (top, left, height, width), ``keep_ratio``,
    ``scale_factor`` (w, h).

    Args:
        crop_size: Side, or (height, width), of the result in pixels.
        scale: Least and greatest area of the box as a fraction of the image.
        ratio: Least and greatest width / height of the box, drawn uniformly in its logarithm.

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
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
        ranges = dict(crop_size=(1, min(self.crop_size)), scale=scale, ratio=ratio)
        for key, (low, high) in ranges.items():
            if not 0 < low <= high:
                raise ValueError(f'SegRandomResizedCrop.{key}: needs 0 < least <= greatest, got {(low, high)}.')
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)

    @cache_randomness
    def random_box(self, height: int, width: int) -> Box:
        """Draws the box to crop, (top, left, height, width) in pixels."""
        for _ in range(self.TRIES):
            area = height * width * np.random.uniform(*self.scale)
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

    def transform(self, results: dict) -> dict:
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
