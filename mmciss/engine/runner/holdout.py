"""Testing on held-out training images, so that settings can be chosen without looking at the test images."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from mmciss.protocols.build import setting_of
from mmciss.utils.configs import innermost_dataset


def with_held_out_data(cfg: Config) -> Config:
    """Returns a config whose validation and test data are what ``protocol.holdout`` asks for.

    They become the training data, loaded by their own pipelines; the protocol chooses which of the images are learned
    from and which are tested on. Without ``holdout``, and with domains, whose configs say what is held out of which
    data, the config is returned as it is.
    """
    if not cfg.protocol.get('holdout') or setting_of(cfg.protocol) == 'domain':
        return cfg
    out = copy.deepcopy(cfg)
    for split in ('val', 'test'):
        loader = out.get(f'{split}_dataloader')
        if loader is not None:
            pipeline = innermost_dataset(loader.dataset, 'pipeline').get('pipeline') or []
            loader.dataset = _with_pipeline(cfg.train_dataloader.dataset, pipeline)
    return out


def _with_pipeline(dataset: ConfigDict, pipeline: Sequence[Any]) -> ConfigDict:
    """Copies the config of a data set and gives every plain data set inside it another pipeline."""
    out = copy.deepcopy(dataset)
    parts = [out]
    while parts:
        part = parts.pop()
        if 'pipeline' in part:
            part.pipeline = copy.deepcopy(pipeline)
        parts += [inner for inner in (part.get('dataset'), *(part.get('datasets') or ())) if inner]
    return out
