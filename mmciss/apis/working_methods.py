"""Whether a method works on a network, and which of its config files does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

from mmciss.errors import ConfigError
from mmciss.utils.configs import configs_folder

if TYPE_CHECKING:
    from mmciss.engine.runner.experiment import Experiment


def check_method(experiment: Experiment, method: str | None, with_method: Callable[[str], Config]) -> None:
    """Builds everything that a run would need, as training does.

    Args:
        experiment: The experiment.
        method: The value of ``--method``; None if the config's own method is meant.
        with_method: Returns the config of the same run with another value of ``--method``.

    Raises:
        ConfigError: If training would be refused; it names the config file of the method that works on this network,
            if there is one.
    """
    from mmciss.engine.runner.rehearsal import rehearse

    try:
        rehearse(experiment)
    except ConfigError as error:
        raise with_working_file(error, method, with_method) from error


def with_working_file(error: ConfigError, method: str | None, with_method: Callable[[str], Config]) -> ConfigError:
    """Adds to an error the config file with which the method works on this network, if there is one."""
    if method is None or not str(error).startswith('method'):
        return error
    for path in method_files(method):
        if _works(path, with_method):
            folder = configs_folder()
            shown = path.relative_to(folder.parent) if folder.name == 'configs' else path
            return ConfigError(
                f'{str(error).rstrip(".")}. On this network {Path(method).stem} works with --method {shown}'
            )
    return error


def method_files(method: str) -> list[Path]:
    """Returns the configs of a method that were made for one network, which are those outside ``_base_``."""
    files = sorted(configs_folder().glob(f'*/methods/{Path(method).stem}.py'))
    return [path for path in files if '_base_' not in path.parts and path.resolve() != Path(method).resolve()]


def _works(path: Path, with_method: Callable[[str], Config]) -> bool:
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.engine.runner.launch import prepare_config
    from mmciss.engine.runner.rehearsal import rehearse

    try:
        rehearse(Experiment.from_cfg(prepare_config(with_method(str(path)))))
    except (ConfigError, FileNotFoundError):
        return False
    return True
