"""Changes of a model's own pipelines, and MMSegmentation's usual ones for models without."""

from __future__ import annotations

import copy
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


def default_train_pipeline(crop: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Returns MMSegmentation's usual augmentation for images of a usual height and width, in pixels."""
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(max(size), min(size)), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(crop, crop), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ]


def crop_of(pipeline: list[dict[str, Any]] | None) -> tuple[int, int] | None:
    """Returns height and width of the crop in a training pipeline, or None without a crop."""
    for transform in pipeline or ():
        size = transform.get('crop_size')
        if size:
            return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
    return None


def with_crop(pipeline: list[dict[str, Any]], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Returns a training pipeline with a given crop size; a crop is added if there is none."""
    pipeline = copy.deepcopy(pipeline)
    for transform in pipeline:
        if transform.get('crop_size'):
            square = isinstance(transform['crop_size'], int)
            transform['crop_size'] = size[0] if square else size
            return pipeline
    places = [index for index, item in enumerate(pipeline) if str(item['type']).endswith('PackSegInputs')]
    pipeline.insert(places[0] if places else len(pipeline), dict(type='RandomCrop', crop_size=size))
    return pipeline
