"""The smallest config, on which most runs of the tests are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.apis.overrides import use_method
from mmciss.utils.configs import load_config
from tests.models.tiny_queries import query_segmentor
from tests.paths import ROOT

SMOKE = 'configs/shapes/shapes_smoke.py'


def smoke_config(work_dir: Path, method: str = 'mib', **options: Any) -> Config:
    """Returns the smoke config for a work directory; options are merged, dots in keys as ``__``."""
    cfg = load_config(ROOT / SMOKE)
    use_method(cfg, method)
    main_loss = cfg.method.get('main_loss')
    if main_loss is not None and 'queries' in getattr(MODELS.get(main_loss.type), 'needs', ()):
        cfg.model.decode_head = query_segmentor(21, in_channels=cfg.model.decode_head.in_channels).decode_head
        cfg.optim_wrapper.clip_grad = dict(max_norm=0.01)  # as MMSegmentation trains such heads
    cfg.work_dir = str(work_dir)
    cfg.resume = False
    if cfg.method.get('memory'):
        cfg.method.memory.size = 8  # the published sizes are larger than the smoke data
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg
