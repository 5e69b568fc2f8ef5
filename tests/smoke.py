"""Runs of the smallest config, in this process or in one that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
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


def start(work_dir: Path, *arguments: str, method: str = 'mib') -> subprocess.Popen:
    """Starts ``tools/train.py`` on the smoke config in a process of its own."""
    command = [
        sys.executable,
        str(ROOT / 'tools' / 'train.py'),
        str(ROOT / SMOKE),
        '--work-dir',
        str(work_dir),
        '--method',
        method,
        *arguments,
    ]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        command,
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
