"""Test pipelines without transforms of mmciss, for exported models."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import TRANSFORMS


def without_mmciss(pipeline: Sequence[dict]) -> list[dict]:
    """Returns a test pipeline for plain MMSegmentation: a crop of ours becomes the resizing that it began with."""
    result = []
    for transform in pipeline:
        kind = transform.get('type')
        found = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
        if getattr(found, '__module__', '').split('.')[0] != 'mmciss':
            result.append(transform)
        elif transform.get('crop_size'):
            side = int(transform['crop_size'])
            # The short side becomes the crop's, whatever the long one is.
            resize = dict(type='Resize', scale=(64 * side, side), keep_ratio=True)
            loads = [index for index, item in enumerate(result) if str(item['type']).endswith('LoadAnnotations')]
            result.insert(loads[0] if loads else len(result), resize)
    return result
