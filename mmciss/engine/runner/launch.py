"""What a run needs from the machine: a folder to write into, its processes, and substitutes for what CPUs lack."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, init_dist, is_distributed
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS  # the runner looks wrappers up in this root only
from torch import nn

from mmciss.errors import ConfigError

LAUNCHERS = {
    'none': ((), ''),
    'pytorch': (
        ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'),
        'tools/dist_train.sh CONFIG NUMBER_OF_PROCESSES (or torchrun)',
    ),
    'slurm': (
        ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'),
        'tools/slurm_train.sh PARTITION JOB_NAME CONFIG (or srun)',
    ),
    'mpi': (('OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_RANK', 'MASTER_ADDR'), 'mpirun'),
}
"""The variables that each launcher sets, and the command that starts it."""
TEXTS = ('MASTER_ADDR', 'SLURM_NODELIST')
"""Those of the variables that are not numbers."""


@MODEL_WRAPPERS.register_module()
class CpuDistributedDataParallel(MMDistributedDataParallel):
    """DistributedDataParallel without device ids, for processes on CPUs; SyncBN becomes BN there."""

    def __init__(self, module: nn.Module, device_ids: Any = None, **kwargs: Any) -> None:
        super().__init__(module=revert_sync_batchnorm(module), **kwargs)


def prepare_config(cfg: Config) -> Config:
    """Returns a copy of the user's config that runs on this machine, with substitutes for what CPUs lack.

    Raises:
        ConfigError: If it has no work directory.
    """
    cfg = Config(cfg.to_dict(), cfg.text or None, cfg.filename) if isinstance(cfg, Config) else Config(dict(cfg))
    if not isinstance(cfg.get('work_dir'), str | Path) or not str(cfg.work_dir).strip():
        raise ConfigError('work_dir: where should the results go? Give --work-dir, or work_dir in the config')
    if not torch.cuda.is_available():
        wrapper = cfg.get('optim_wrapper')
        if isinstance(wrapper, dict) and wrapper.get('type') == 'AmpOptimWrapper':
            wrapper['type'] = 'CpuAmpOptimWrapper'
        if cfg.get('launcher', 'none') != 'none':
            cfg.model_wrapper_cfg = dict(
                type='CpuDistributedDataParallel',
                broadcast_buffers=False,
                find_unused_parameters=cfg.get('find_unused_parameters', False),
            )
    return cfg


def check_work_dir(path: str | Path, key: str = 'work_dir') -> None:
    """Refuses a folder that cannot be made or written to, without making it.

    Raises:
        ConfigError: Naming what is in the way.
    """
    if not str(path).strip():
        raise ConfigError(f'{key}: is empty; give a folder')
    folder = Path(path)
    try:
        while (mode := _mode(folder)) is None:
            if folder.is_symlink():
                raise ConfigError(f'{key}: {folder} is a link to something that does not exist')
            folder = folder.parent
    except ConfigError:
        raise
    except (OSError, ValueError) as error:  # a name too long, a zero byte, a folder without permission
        raise ConfigError(f'{key}: cannot use {str(path)!r}: {getattr(error, "strerror", None) or error}') from error
    if not stat.S_ISDIR(mode):
        raise ConfigError(f'{key}: {folder} is a file; a folder is needed')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f'{key}: {folder} is not writable')


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def check_launcher(launcher: object) -> None:
    """Refuses a launcher whose environment variables are not set.

    Raises:
        ConfigError: Naming the launcher, the missing variables, and what sets them.
    """
    if launcher not in LAUNCHERS:
        raise ConfigError(f'launcher: must be one of {", ".join(map(repr, LAUNCHERS))}; found {launcher!r}')
    variables, command = LAUNCHERS[str(launcher)]
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        raise ConfigError(
            f'launcher: {launcher!r} needs the environment variable{"s" if len(missing) > 1 else ""} '
            f'{", ".join(missing)}, which {command} sets. Start the run with it, or leave --launcher out'
        )
    for name in variables:
        if name not in TEXTS and not os.environ[name].isdigit():
            raise ConfigError(f'launcher: the environment variable {name} must be a number, found {os.environ[name]!r}')
    if launcher == 'pytorch' and int(os.environ['RANK']) >= int(os.environ['WORLD_SIZE']):
        raise ConfigError(
            f'launcher: RANK={os.environ["RANK"]} must be less than WORLD_SIZE={os.environ["WORLD_SIZE"]}'
        )


def init_distributed(cfg: Config) -> None:
    """Starts the process group; mmengine would only do it in the first step's runner, too late for the lock.

    Raises:
        ConfigError: If the launcher's environment variables are not set, or it does not work without CUDA.
    """
    launcher = cfg.get('launcher') or 'none'
    if launcher == 'none' or is_distributed():
        return
    check_launcher(launcher)
    if torch.cuda.is_available():
        init_dist(launcher, **(cfg.get('env_cfg') or {}).get('dist_cfg', {}))
        return
    # mmengine's own start calls CUDA unconditionally.
    if launcher != 'pytorch':
        raise ConfigError(f"launcher: {launcher!r} is not supported without CUDA; use 'pytorch' (torchrun)")
    os.environ.setdefault('LOCAL_RANK', '0')
    torch.distributed.init_process_group('gloo')


def broadcast_object(value: Any) -> Any:
    """Returns the first rank's value on every rank."""
    values = [value]
    broadcast_object_list(values)
    return values[0]
