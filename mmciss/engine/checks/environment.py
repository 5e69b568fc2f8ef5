"""What a run needs from the machine: a folder to write into, and the environment variables of its launcher."""

from __future__ import annotations

import os
import stat
from pathlib import Path

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
NUMBERS = (
    'RANK',
    'WORLD_SIZE',
    'MASTER_PORT',
    'SLURM_PROCID',
    'SLURM_NTASKS',
    'OMPI_COMM_WORLD_LOCAL_RANK',
    'OMPI_COMM_WORLD_SIZE',
    'OMPI_COMM_WORLD_RANK',
)


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
    for name in set(variables) & set(NUMBERS):
        if not os.environ[name].isdigit():
            raise ConfigError(f'launcher: the environment variable {name} must be a number, found {os.environ[name]!r}')
    if launcher == 'pytorch' and int(os.environ['RANK']) >= int(os.environ['WORLD_SIZE']):
        raise ConfigError(
            f'launcher: RANK={os.environ["RANK"]} must be less than WORLD_SIZE={os.environ["WORLD_SIZE"]}'
        )


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
