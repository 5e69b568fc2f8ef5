"""The configs that users run, and what their tests need to know about them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from mmengine.config import Config
from mmseg.registry import DATASETS

import mmciss.register_all
from mmciss.protocols.build import build_protocol
from mmciss.protocols.protocol import Protocol
from tests.paths import ROOT

FOLDERS = ('ciss', 'recipes', 'shapes', 'voc20', 'voc6')
CONFIGS = sorted(path for folder in FOLDERS for path in (ROOT / 'configs' / folder).glob('*.py'))


def name_of(path: Path) -> str:
    """Returns ``ciss/deeplabv3_r101_voc_15-1``."""
    return f'{path.parent.name}/{path.stem}'


@cache
def load(path: Path) -> Config:
    """Loads a config once, with its own folders; tests must not change it."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith('MMCISS_')}
    with mock.patch.dict(os.environ, ours, clear=True):
        return Config.fromfile(path)


def innermost(dataset: dict) -> dict:
    """Returns the config of a data set inside its wrappers."""
    while 'datasets' in dataset or 'dataset' in dataset:
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    return dataset


def protocol_of(cfg: Config) -> Protocol:
    """Builds the protocol of a config from the classes of its data set, without the data."""
    classes = DATASETS.get(innermost(cfg.train_dataloader.dataset)['type']).METAINFO['classes']
    background = classes[0] == 'background'
    return build_protocol(cfg.protocol, class_names=classes[background:], background=background)


def strings_in(value: Any) -> list[str]:
    """Returns every string in a nested config."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings_in(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings_in(item)]
    return [value] if isinstance(value, str) else []
