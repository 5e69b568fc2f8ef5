"""The checks of tools/quickstart.py, which CI and pre-commit run."""

from __future__ import annotations

import importlib.util
import shlex
from types import ModuleType

import pytest
import yaml

from tests.paths import ROOT


@pytest.fixture
def quickstart() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location('quickstart', ROOT / 'tools' / 'quickstart.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('failing', [None, 'format', 'mypy'])
def test_all_checks_run_and_one_failure_is_a_failure(quickstart, monkeypatch, capsys, failing: str | None) -> None:
    calls = []

    def call(command: list[str], cwd) -> int:
        calls.append(tuple(command))
        return int(failing in command)

    monkeypatch.setattr(quickstart.subprocess, 'call', call)
    assert quickstart.lint('python') == int(failing is not None)
    assert calls == [('python', '-m', *check) for check in quickstart.CHECKS]
    assert ('failed' in capsys.readouterr().out) == (failing is not None)


def test_pre_commit_and_ci_run_the_same_checks(quickstart) -> None:
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text(encoding='utf-8'))['repos'][0]['hooks']
    tools = [[word for word in shlex.split(hook['entry']) if not word.startswith('-')] for hook in hooks]
    checks = [[word.removesuffix('_lib') for word in check if not word.startswith('-')] for check in quickstart.CHECKS]
    assert tools == checks
    assert 'quickstart.py lint' in (ROOT / '.ci' / 'run').read_text(encoding='utf-8')
    jobs = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text(encoding='utf-8'))['jobs']
    assert [step['run'] for job in jobs.values() for step in job['steps'] if 'run' in step] == ['bash .ci/run']
