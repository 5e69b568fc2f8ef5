"""The evaluation crop of the papers."""

from __future__ import annotations

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmciss.datasets.transforms.resizing import central_box, crop, resize_image, resize_labels


@TRANSFORMS.register_module()
class SegCenterCrop(BaseTransform):
    """Resizes the shorter side to ``crop_size`` and keeps the central square, labels alike.

    The papers evaluate on this square. MMSegmentation scales predictions back to ``ori_shape``, so
    that is set to the crop too; place this transform AFTER ``LoadAnnotations``.

    Required and modified keys: ``img`` (H, W, C), every key in ``seg_fields`` (H, W),
    ``img_shape``, ``ori_shape``.

    Args:
        crop_size: Side of the square in pixels.
    """

    def __init__(self, crop_size: int) -> None:
        if crop_size < 1:
            raise ValueError(f'SegCenterCrop.crop_size: must be at least 1, got {crop_size}.')
        self.crop_size = crop_size

    def transform(self, results: dict) -> dict:
        """Resizes and crops."""
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
