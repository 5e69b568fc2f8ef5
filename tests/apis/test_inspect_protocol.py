"""Showing a protocol without training."""
from __future__ import annotations

from pathlib import Path

import pytest

import mmciss.register_all  # noqa: F401
from mmciss.apis.inspect_protocol import describe, inspect_protocol, main
from tests.paths import ROOT
from tests.smoke import SMOKE, smoke_config


def test_every_step_is_described(tmp_path: Path) -> None:
    found = inspect_protocol(smoke_config(tmp_path))
    base, later = found['steps']
    assert (base['channels'], later['channels']) == (16, 21)
    assert len(base['classes']) == 15 and later['classes'] == ['hourglass', 'chevron', 'house', 'fish', 'tee']
    assert (base['iterations'], later['iterations']) == (6, 4)
    assert base['images'] == 39 and all(count > 0 for count in later['class_pixels'].values())
    text = describe(found)
    assert 'protocol 15-5, setting overlapped, 2 steps' in text and 'label policy: void_train=ignore' in text
    assert not list(tmp_path.iterdir()), 'looking leaves nothing behind'


def test_tiny_steps_are_warned_about(tmp_path: Path) -> None:
    found = inspect_protocol(smoke_config(tmp_path, protocol__name='15-1'))
    assert any('has only' in text for text in found['warnings'])
    assert 'warning: step' in describe(found)


def test_wrong_input_ends_with_one_line(capsys: pytest.CaptureFixture) -> None:
    assert main([str(ROOT / SMOKE), '--protocol', '19-7']) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: protocol.name') and 'Traceback' not in error
