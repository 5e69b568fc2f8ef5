"""Pipelines: the model's own if its config has them, else MMSegmentation's usual ones."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config

from mmciss.datasets.image_files import readers_of_configs
from mmciss.engine.plain_config import without_mmciss
from mmciss.extend.pairs import Readers
from mmciss.utils.configs import config_pipeline

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


def train_pipeline(cfg: Config, crop: tuple[int, int], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Returns the model's own augmentation, or else MMSegmentation's usual one, with a given crop height and width."""
    own = config_pipeline(cfg, 'train')
    return with_crop(default_train_pipeline(min(crop), size) if own is None else with_labels(own), crop)


def plain_test_pipeline(cfg: Config) -> list[dict[str, Any]]:
    """Returns the model's test pipeline for plain MMSegmentation, with labels; without one, images stay as they are."""
    return with_labels(without_mmciss(config_pipeline(cfg, 'test') or list(DEFAULT_TEST_PIPELINE)))


def model_readers(cfg: Config) -> Readers:
    """Returns how the model's pipelines decode images and masks."""
    return readers_of_configs(with_labels(config_pipeline(cfg, 'train') or list(DEFAULT_TEST_PIPELINE)))


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
