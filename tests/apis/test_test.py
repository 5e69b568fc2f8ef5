"""Testing the model of any step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import mmciss.register_all
from mmciss.apis import test as api
from mmciss.errors import ConfigError
from tests.paths import ROOT
from tests.smoke import SMOKE, smoke_config


@pytest.mark.parametrize('index', [0, 1])
def test_numbers_are_those_of_the_run(finished_run: Path, tmp_path: Path, index: int) -> None:
    metrics = api.test_step(smoke_config(tmp_path), index, finished_run / f'step_{index}' / 'model.pth')
    report = json.loads((finished_run / 'report.json').read_text())
    assert metrics['mIoU'] == pytest.approx(report['steps'][index]['all'], abs=0.01)


def test_a_checkpoint_of_another_step_is_refused(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'checkpoint: .*model.pth does not fit'):
        api.test_step(smoke_config(tmp_path), 0, finished_run / 'step_1' / 'model.pth')
    with pytest.raises(ConfigError, match='--step: 7 is no step of 15-5; allowed: 0 to 1'):
        api.test_step(smoke_config(tmp_path), 7, finished_run / 'step_1' / 'model.pth')


def test_classes_in_another_order_are_refused(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"checkpoint: channel 1 of .*model.pth is 'disc', but '\w+' in step 1 of 15-5"
    ):
        api.test_step(smoke_config(tmp_path, protocol__order=7), 1, finished_run / 'step_1' / 'model.pth')


@pytest.mark.parametrize(
    'flags', [['--work-dir', ''], ['--show-dir', ''], ['--show-dir', __file__], ['--work-dir', __file__]]
)
def test_impossible_folders_are_refused(
    finished_run: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert api.main([str(ROOT / SMOKE), str(finished_run), '--work-dir', str(tmp_path), *flags]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('error: ') and flags[0][2:6] in error and ('is empty' in error or 'is a file' in error)


@pytest.mark.parametrize('flags', [['--steps', '0'], ['--base-from', 'run']])
def test_flags_of_training_alone_are_refused(
    finished_run: Path, flags: list[str], capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as ended:
        api.main([str(ROOT / SMOKE), str(finished_run), *flags])
    assert ended.value.code == 2 and f'unrecognized arguments: {" ".join(flags)}' in capsys.readouterr().err


def test_step_and_checkpoint_are_found_from_a_path(finished_run: Path, tmp_path: Path) -> None:
    model = finished_run / 'step_1' / 'model.pth'
    assert api.find_step(finished_run, None) == (1, model)
    assert api.find_step(finished_run, 0) == (0, finished_run / 'step_0' / 'model.pth')
    assert api.find_step(model, None) == (1, model) == api.find_step(model.parent, None)
    torch.save({}, tmp_path / 'x.pth')
    with pytest.raises(ConfigError, match='cannot tell from .*x.pth which step it is'):
        api.find_step(tmp_path / 'x.pth', None)
    with pytest.raises(FileNotFoundError, match='holds no finished step'):
        api.find_step(tmp_path, None)
