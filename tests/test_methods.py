"""Every method learns two steps; those with state of their own give the same result when interrupted and resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.engine.runner.experiment import Experiment
from mmciss.errors import ConfigError
from mmciss.utils.configs import load_method, method_names
from mmciss.utils.files import load_tensors
from tests.interruption import resumed_at
from tests.smoke import smoke_config

pytestmark = pytest.mark.usefixtures('no_figures')


@pytest.fixture(scope='module')
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of finished base steps by identity; methods with an equal base step share one."""
    return {}


def options_with_base(method: str, bases: dict[str, Path], folder: Path, **options: Any) -> dict[str, Any]:
    """Returns the options of runs that start from a shared base step, which is trained if it is new."""
    identity = Experiment.from_cfg(smoke_config(folder, method, **options)).base_identity()
    if identity not in bases:
        train(smoke_config(folder, method, run_steps=[0], **options))
        bases[identity] = folder
    return dict(base_from=str(bases[identity]))


def has_state(method: str) -> bool:
    """Whether a method keeps anything besides the model's weights, or changes labels."""
    slots = load_method(method).method
    losses = [MODELS.build(loss) for loss in (slots.get('losses') or {}).values() if loss is not None]
    return any(
        slots.get(key) for key in ('statistics', 'memory', 'hooks', 'labeler', 'classifier', 'structure')
    ) or any(list(loss.buffers()) for loss in losses)


def logged_losses(folder: Path) -> list[float]:
    """Returns every loss in the logs of step 1."""
    lines = [line for path in folder.glob('step_1/*/vis_data/scalars.json') for line in path.read_text().splitlines()]
    return [value for line in lines for name, value in json.loads(line).items() if 'loss' in name]


@pytest.mark.parametrize('method', [name for name in method_names() if name != 'joint'])
def test_learns_two_steps_and_survives_interruptions(method: str, bases: dict[str, Path], tmp_path: Path) -> None:
    options = options_with_base(method, bases, tmp_path / 'base')
    whole = train(smoke_config(tmp_path / 'whole', method, **options))
    assert [result['sizes'] for result in whole] == [[16], [16, 5]]
    losses = logged_losses(tmp_path / 'whole')
    trains = whole[1]['iterations'] > 0
    assert bool(losses) == trains and all(map(math.isfinite, losses)), losses
    assert (tmp_path / 'whole' / 'report.json').is_file()
    if not has_state(method):
        return
    if not trains:  # its step is made again from its beginning: tests/test_closed_form.py
        return
    # Before the first checkpoint of the step, when only statistics are on disk; then after one.
    for index, iteration in enumerate((0, 3)):
        hooks = [dict(type='InterruptionHook', iteration=iteration, step=1)]
        with pytest.raises(KeyboardInterrupt):
            train(smoke_config(tmp_path / 'parts', method, custom_hooks=hooks, resume=index > 0, **options))
    parts = train(smoke_config(tmp_path / 'parts', method, resume=True, **options))
    assert resumed_at(tmp_path / 'parts' / 'step_1') == [2], 'the step continued at its checkpoint'
    assert parts[1]['confusion'] == whole[1]['confusion']
    assert parts[1]['sha256'] == whole[1]['sha256'], 'weights differ'


def test_cogamid_fits_mixtures_to_the_model_of_stars_base_step_as_to_its_own(tmp_path: Path) -> None:
    (star,) = train(smoke_config(tmp_path / 'star', 'star', run_steps=[0]))
    (own,) = train(smoke_config(tmp_path / 'own', 'cogamid', run_steps=[0]))
    (taken,) = train(smoke_config(tmp_path / 'taken', 'cogamid', run_steps=[0], base_from=str(tmp_path / 'star')))
    names = ('model.pth', 'state.pth')
    assert [taken['files'][name] for name in names] == [own['files'][name] for name in names]
    assert taken['base_identity'] == own['base_identity'] != star['base_identity']
    assert taken['confusion'] == own['confusion']
    with pytest.raises(ConfigError, match='trained differently'):
        train(smoke_config(tmp_path / 'dkd', 'dkd', base_from=str(tmp_path / 'star')))


def test_gsc_without_its_three_parts_is_plop(bases: dict[str, Path], tmp_path: Path) -> None:
    options = options_with_base('plop', bases, tmp_path / 'base')
    off = dict(method__main_loss=None, method__losses__relation=None, method__labeler__relabel=False)
    found = train(smoke_config(tmp_path / 'gsc', 'gsc', **off, **options))
    expected = train(smoke_config(tmp_path / 'plop', 'plop', **options))
    assert found[1]['sha256'] == expected[1]['sha256']


@pytest.mark.parametrize('host', ['dkd', 'ssul'])
def test_attribution_starts_new_classes_of_hosts_with_an_auxiliary_channel(
    host: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    line = dict(
        method__initializer=dict(_delete_=True, type='AttributionInitializer', source='auxiliary'),
        method__statistics=dict(attribution=dict(type='BackgroundAttribution', source='auxiliary')),
        method__structure=None,
    )
    options = options_with_base(host, bases, tmp_path / 'base', method__structure=None)
    results = train(smoke_config(tmp_path / 'run', host, **line, **options))
    assert [result['sizes'] for result in results] == [[16], [16, 5]]
    mask = load_tensors(tmp_path / 'run' / 'step_1' / 'statistics.pth')['statistics']['channel_mask']
    assert next(iter(mask.values())).sum(1).max() == 4  # of 16 channels


def test_joint_learns_all_classes_in_one_step(tmp_path: Path) -> None:
    results = train(smoke_config(tmp_path, 'joint'))
    assert len(results) == 1 and len(results[0]['classes']) == 21
