"""Every benchmark runs, on sizes too small to measure anything, and checks that both sides agree."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from tests.paths import ROOT

SHAPES = ('--config', 'configs/shapes/shapes_smoke.py', '--batch', '2', '--crop', '32', '--rounds', '1')
CASES = {
    'losses': ('--classes', '9', '--new', '2', '--size', '32', '--batch', '1', '--rounds', '1'),
    'local_pod': ('--divide', '64', '--batch', '1', '--crop', '64', '--rounds', '1'),
    'prototype_losses': ('--channels', '8', '--side', '8', '--batch', '2', '--classes', '8', '--rounds', '1'),
    'evaluation': ('--images', '2', '--height', '40', '--width', '50', '--rounds', '1'),
    'label_mapping': ('--rounds', '3'),
    'iteration_cost': (*SHAPES, '--methods', 'plop'),
    'shared_trunk': SHAPES,
    'photograph_iteration': (*SHAPES, '--sides', 'bfloat16, both'),
}


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a script's ``main`` in this process and returns what it printed."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    monkeypatch.chdir(ROOT)

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, 'argv', [name, *arguments])
        threads = torch.get_num_threads()
        try:
            assert importlib.import_module(name).main() == 0
        finally:
            torch.set_num_threads(threads)
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize('name', CASES)
def test_runs(name: str, run) -> None:
    assert len(run(name, *CASES[name]).splitlines()) > 2


def test_step_cost_runs(run, monkeypatch) -> None:
    """In this process: a new one would import everything again."""
    step_cost = importlib.import_module('step_cost')
    monkeypatch.setattr(step_cost, 'multiprocessing', SimpleNamespace(get_context=lambda kind: Inline))
    printed = run(
        'step_cost',
        '--config',
        'configs/shapes/shapes_smoke.py',
        '--method',
        'finetuning',
        '--protocols',
        '15-5',
        '--iters',
        '1',
        '--images',
        '20',
        '--batch',
        '2',
    )
    assert printed.splitlines()[-1].split()[:2] == ['15-5', '2']


class Inline:
    """Stands in for a context of processes."""

    sent: ClassVar[list] = []

    @classmethod
    def Pipe(cls, duplex: bool) -> tuple:  # noqa: N802
        """Returns two ends of a list."""
        return (SimpleNamespace(recv=cls.sent.pop), SimpleNamespace(send=cls.sent.append, close=lambda: None))

    @staticmethod
    def Process(target, args) -> SimpleNamespace:  # noqa: N802
        """Returns what runs at once."""
        return SimpleNamespace(start=lambda: target(*args), join=lambda: None)


def test_presence_scan_runs(tmp_path: Path, run) -> None:
    for index in range(3):
        Image.fromarray(np.full((4, 4), index, np.uint8)).save(tmp_path / f'{index}.png')
    (tmp_path / 'names.txt').write_text('0\n2\n')
    printed = run('presence_scan', str(tmp_path), '--list', str(tmp_path / 'names.txt'), '--rounds', '1')
    assert printed.startswith('2 masks')


def test_every_script_is_run() -> None:
    shared = {'timing', 'training', 'plain_losses'}
    elsewhere = {'code_size', 'presence_scan', 'step_cost'}
    minutes = {'attribution', 'bit_equality', 'processes', 'torture'}
    found = {path.stem for path in (ROOT / 'benchmarks').glob('*.py')}
    assert found == shared | elsewhere | minutes | set(CASES)
