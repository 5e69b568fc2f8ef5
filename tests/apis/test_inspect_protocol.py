"""Showing a protocol without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmciss.register_all
from mmciss.apis.inspect_protocol import describe, inspect_protocol, main
from tests.paths import ROOT
from tests.smoke import SMOKE, smoke_config
from tests.step_run import CLASSES, step_run_config, write_pictures


def test_every_step_is_described(tmp_path: Path) -> None:
    found = inspect_protocol(smoke_config(tmp_path))
    base, later = found['steps']
    assert (base['channels'], later['channels']) == (16, 21)
    assert len(base['classes']) == 15 and later['classes'] == ['hourglass', 'chevron', 'house', 'fish', 'tee']
    assert (base['iterations'], later['iterations']) == (6, 4)
    assert base['images'] == 39 and all(count > 0 for count in later['class_pixels'].values())
    text = describe(found)
    assert 'protocol 15-5, setting overlapped, 2 steps' in text and 'label policy: void_train=ignore' in text
    assert 'no background class' not in text
    assert not list(tmp_path.iterdir()), 'inspecting writes nothing'


def test_tiny_steps_are_warned_about(tmp_path: Path) -> None:
    found = inspect_protocol(smoke_config(tmp_path, protocol__name='15-1'))
    assert any('has only' in text for text in found['warnings'])
    assert 'warning: step' in describe(found)


def test_what_is_logged_is_printed_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv('MMCISS_SHAPES_SMOKE', str(tmp_path / 'shapes'))
    assert main([str(ROOT / SMOKE)]) == 0
    out = capsys.readouterr().out
    assert '\nDrawing the shapes data set into ' in out and ' - mmengine - ' not in out


def test_wrong_input_ends_with_one_line(capsys: pytest.CaptureFixture) -> None:
    assert main([str(ROOT / SMOKE), '--protocol', '19-7']) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: protocol.name') and 'Traceback' not in error


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--steps', '9'], '--steps (run_steps): [9] are not steps of 15-5'),
        (['--base-from', 'nope'], 'base_from: nope holds no finished base step'),
    ],
)
def test_what_training_would_refuse(flags: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert main([str(ROOT / SMOKE), *flags]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('policy', 'sentence', 'hint'),
    [
        ('plop', "learned as class 'background'; 25 % in testing, tested as class 'background'", True),
        (dict(void_train='ignore', void_test='ignore'), '25 % in training, ignored; 25 % in testing, ignored', False),
    ],
)
def test_unlabelled_pixels_of_data_without_a_background_class(
    policy: object, sentence: str, hint: bool, tmp_path: Path
) -> None:
    mask = np.repeat([[255, 0, 1, 2, 3, 4, 5, 255]], 40, axis=0).repeat(5, axis=1)
    cfg = step_run_config(write_pictures(tmp_path / 'data', [mask] * 3), tmp_path, 'finetuning')
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.metainfo = dict(classes=CLASSES[1:])
    cfg.protocol.label_policy = policy
    text = describe(inspect_protocol(cfg))
    assert 'has no background class' in text and sentence in text
    assert ("label_policy=dict(void_train='ignore'" in text) == hint
