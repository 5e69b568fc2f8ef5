"""Sharing a base step between runs: many methods train the same one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.logging import print_log

from mmciss.engine.runner.run_folder import REMADE, RunFolder, checksums, move_aside
from mmciss.errors import ConfigError
from mmciss.utils.files import read_json, write_json

if TYPE_CHECKING:
    from mmciss.engine.runner.experiment import Experiment


def check_base_step(source: str | Path, experiment: Experiment) -> bool:
    """Checks that a run has a base step, or at least its model, that an experiment could have trained itself.

    Args:
        source: The work directory of the run that has it.
        experiment: The experiment that wants it.

    Returns:
        Whether the step can be taken as it is. If not, its model can, and what the method does once the base step is
        trained is still to be done: passes over the data, rows that are solved for.

    Raises:
        ConfigError: If ``source`` has no finished base step, or one of a different experiment.
    """
    other = RunFolder(source)
    result = other.result(0)
    if result is None:
        raise ConfigError(
            f'base_from: {source} holds no finished base step (looked for '
            f'{other.step(0) / "result.json"}: {other.fault(0)})'
        )
    whole = bool(result.get('base_identity') == experiment.base_identity())
    if not whole and (result.get('base_training') is None or result['base_training'] != experiment.base_training()):
        raise ConfigError(
            f'base_from: the base step in {source} was trained differently (data, model, classes, '
            f"seed, schedule, label policy or the method's slots of the base step differ; compare its "
            f'run.json). Leave base_from out to train a new one.'
        )
    if result.get('base_data') not in (None, experiment.data['train'][0]):
        raise ConfigError(
            f'base_from: the base step in {source} was trained on other images or masks: found '
            f'{result["base_data"]}, now {experiment.data["train"][0]}. Leave base_from '
            f'out to train a new one.'
        )
    return whole


def adopt_base_step(folder: RunFolder, source: str | Path, experiment: Experiment) -> None:
    """Copies step 0 of another run, after checking that training it here would give the same.

    Args:
        folder: The run that wants a base step.
        source: The work directory of the run that has it.
        experiment: The experiment of ``folder``.

    Raises:
        ConfigError: If ``source`` has no finished base step, or one of a different experiment.
    """
    check_base_step(source, experiment)
    other = RunFolder(source)
    target = folder.step(0)
    temporary = target.with_name(f'.{target.name}.{os.getpid()}.tmp')
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name in ('model.pth', 'model_config.py', 'state.pth', 'samples.npz', 'result.json'):
        if (other.step(0) / name).is_file():
            shutil.copy2(other.step(0) / name, temporary / name)
    # The other run's memory is left out: this run's method chooses its own images.
    known = {name: checksum for name, checksum in other.files(0).items() if name not in REMADE}
    result = read_json(temporary / 'result.json') or {}
    write_json(temporary / 'result.json', {**result, 'files': {**checksums(temporary), **known}})
    if target.exists():
        # Our own base step was started and killed; its checkpoints are moved aside rather than deleted.
        move_aside(target, 'unfinished')
    os.replace(temporary, target)
    print_log(f'Step 0 was copied from {other.step(0)}.', logger='current')
