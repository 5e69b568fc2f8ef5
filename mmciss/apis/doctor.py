"""Checks an installation."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mmciss.apis.command import START_OVER, run_command

SMOKE = 'configs/shapes/shapes_smoke.py'


def packages() -> str:
    """Returns the versions of what results depend on, once all of it is imported."""
    import mmciss.register_all
    from mmciss.utils.environment import versions

    return ', '.join(f'{name} {version}' for name, version in versions().items())


def device() -> str:
    """Returns the device that training uses, and what it can do."""
    import torch

    from mmciss.utils.environment import machine

    if not torch.cuda.is_available():
        return f'{machine()} (no GPU that torch can use)'
    gibibytes = torch.cuda.get_device_properties(0).total_memory / 2**30
    return f'{machine()}, {gibibytes:.0f} GiB, bfloat16 {"yes" if torch.cuda.is_bf16_supported() else "no"}'


def optional() -> str:
    """Returns which optional packages are there."""
    found = {name: importlib.util.find_spec(name) is not None for name in ('mmdet', 'submitit', 'tensorboard', 'timm')}
    found['compiled operations of mmcv'] = importlib.util.find_spec('mmcv._ext') is not None
    return ', '.join(f'{name} {"yes" if there else "no"}' for name, there in found.items())


def configs() -> str:
    """Returns where the configs are, and the methods."""
    from mmciss.utils.configs import configs_folder, method_names

    return f'{configs_folder()}, {len(method_names())} methods'


def smoke() -> str:
    """Learns two tiny steps on drawn shapes and returns how long it took.

    Raises:
        RuntimeError: If the run left no report.
    """
    import time

    from mmciss.engine import IncrementalRunner
    from mmciss.utils.configs import load_config

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cfg = load_config(SMOKE)
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.dataset.data_root = str(Path(folder) / 'shapes')
        cfg.work_dir, cfg.display = str(Path(folder) / 'run'), 'none'
        results = IncrementalRunner.from_cfg(cfg).train()
        if len(results) != 2 or not (Path(folder) / 'run' / 'report.md').is_file():
            raise RuntimeError(f'{len(results)} of 2 steps are done')
    return f'two steps learned, tested and reported in {time.perf_counter() - start:.0f} s'


CHECKS: dict[str, Callable[[], str]] = {
    'packages': packages,
    'device': device,
    'optional': optional,
    'configs': configs,
    'a run': smoke,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every check; the status is 1 if one fails."""
    parser = argparse.ArgumentParser(description='Check the installation: versions, device, and whether a step runs')
    parser.parse_args(arguments)
    failed = []

    def work() -> None:
        for name, check in CHECKS.items():
            try:
                sys.stdout.write(f'ok      {name}: {check()}\n')
            except Exception as error:  # whatever is wrong with the installation is what the user asked for
                failed.append(name)
                sys.stdout.write(f'FAILED  {name}: {type(error).__name__}: {error}\n')
            sys.stdout.flush()

    return run_command(work, START_OVER) or int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
