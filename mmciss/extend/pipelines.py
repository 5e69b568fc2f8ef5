"""Changes of a model's own pipelines, and MMSegmentation's usual ones for models without."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

LOADERS = ('LoadAnnotations', 'LoadBiomedicalAnnotation')
DEFAULT_TEST_PIPELINE = (dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs'))


def with_labels(pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a pipeline that loads masks as they are, since each source of masks has its own table of ids.

    A test pipeline without labels gets a loader just before the sample is packed.
    """
    result: list[dict[str, Any]] = []
    found = False
    for transform in pipeline:
        kind = str(transform.get('type')).rpartition('.')[2]
        if kind in LOADERS:
            backend = {key: transform[key] for key in ('imdecode_backend',) if key in transform}
            transform = dict(type='LoadAnnotations', **backend)
            found = True
        elif kind == 'PackSegInputs' and not found:
            result.append(dict(type='LoadAnnotations'))
        result.append(transform)
    return result


def default_train_pipeline(crop: int, sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Returns MMSegmentation's usual augmentation for images of these heights and widths, in pixels."""
    size = [int(median(side)) for side in zip(*sizes, strict=True)]
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(max(size), min(size)), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(crop, crop), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ]


def whole_image_pipeline(
    test_pipeline: list[dict[str, Any]], test_cfg: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Returns a pipeline of images as a model sees them in a test, with masks of that size; half are mirrored.

    Args:
        test_pipeline: With a loader of masks, see :func:`with_labels`.
        test_cfg: The model's. One that slides a window over the image (``mode='slide'``) gets one window of it.
    """
    kinds = [str(transform.get('type')).rpartition('.')[2] for transform in test_pipeline]
    masks = next(index for index, kind in enumerate(kinds) if kind in LOADERS)
    images = next((index for index, kind in enumerate(kinds) if kind.startswith('Load') and index != masks), 0)
    rest = [transform for index, transform in enumerate(test_pipeline) if index not in (images, masks)]
    # A test pipeline loads masks after it has resized the image, since they are compared at their own size.
    pipeline = [test_pipeline[images], test_pipeline[masks], *rest]
    pack = next(index for index, item in enumerate(pipeline) if str(item['type']).endswith('PackSegInputs'))
    options = test_cfg or {}
    window = [dict(type='RandomCrop', crop_size=options['crop_size'])] if options.get('mode') == 'slide' else []
    return [*pipeline[:pack], *window, dict(type='RandomFlip', prob=0.5), *pipeline[pack:]]


def crop_of(pipeline: list[dict[str, Any]] | None) -> tuple[int, int] | None:
    """Returns height and width of the crop in a training pipeline, or None without a crop."""
    size = (_cropping(pipeline or []) or {}).get('crop_size')
    return size and ((size, size) if isinstance(size, int) else (int(size[0]), int(size[1])))


def with_crop(pipeline: list[dict[str, Any]], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Returns a training pipeline with a given crop size; a crop is added if there is none."""
    pipeline = copy.deepcopy(pipeline)
    crop = _cropping(pipeline)
    if crop is not None:
        crop['crop_size'] = size[0] if isinstance(crop['crop_size'], int) else size
        return pipeline
    places = [index for index, item in enumerate(pipeline) if str(item['type']).endswith('PackSegInputs')]
    pipeline.insert(places[0] if places else len(pipeline), dict(type='RandomCrop', crop_size=size))
    return pipeline


def _cropping(pipeline: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((transform for transform in pipeline if transform.get('crop_size')), None)
