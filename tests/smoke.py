"""The smallest config, on which most runs of the tests are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmciss.apis.overrides import use_method
from mmciss.utils.configs import load_config
from tests.paths import ROOT

SMOKE = 'configs/shapes/shapes_smoke.py'


def smoke_config(work_dir: Path, method: str = 'mib', **options: Any) -> Config:
    """Returns the smoke config for a work directory; options are merged, dots in keys as ``__``."""
    cfg = load_config(ROOT / SMOKE)
    use_method(cfg, method)
    cfg.work_dir = str(work_dir)
    cfg.resume = False
    if cfg.method.get('memory'):
        cfg.method.memory.size = 8  # the published sizes are larger than the smoke data
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg
