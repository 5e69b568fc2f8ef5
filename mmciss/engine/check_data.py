"""Decoding all data of a config once, before anything is trained."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmciss.datasets.data_check import DataCheck, check_data
from mmciss.datasets.expected_layout import check_layout
from mmciss.errors import ConfigError
from mmciss.utils.blame import blaming


def check_config_data(cfg: Config, **options: Any) -> DataCheck:
    """Decodes every image and mask of the training, validation and test data of a config.

    Args:
        cfg: The user's config.
        **options: For :func:`mmciss.datasets.data_check.check_data`.

    Raises:
        ConfigError: If a data set cannot be built.
    """
    init_default_scope(cfg.get('default_scope') or 'mmseg')
    datasets = []
    for split in ('train', 'val', 'test'):
        config = (cfg.get(f'{split}_dataloader') or {}).get('dataset')
        if config:
            check_layout(config)
            with blaming(f'{split}_dataloader.dataset'):
                datasets.append(DATASETS.build(copy.deepcopy(config)))
    return check_data(datasets, **options)


def require_whole_data(cfg: Config) -> DataCheck:
    """Does :func:`check_config_data` and refuses broken files.

    Raises:
        ConfigError: Naming every broken file.
    """
    found = check_config_data(cfg)
    if found.problems:
        raise ConfigError(f'check_data: {found}')
    return found
