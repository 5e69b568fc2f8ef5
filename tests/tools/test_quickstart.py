"""The one command of the first screen: what it installs, trains and tests; and the checks of CI and pre-commit."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
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


@pytest.fixture
def commands(quickstart: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that are started, none of which runs; a new environment is only an empty file."""
    started: list[list[str]] = []

    def create(environment: Path, with_pip: bool) -> None:
        assert with_pip
        python = quickstart.python_of(environment)
        python.parent.mkdir(parents=True)
        python.touch()

    monkeypatch.setattr(quickstart.venv, 'create', create)
    monkeypatch.setattr(quickstart.subprocess, 'check_call', started.append)
    monkeypatch.setattr(quickstart.subprocess, 'call', lambda command, cwd: started.append(command) or 0)
    monkeypatch.setattr(quickstart, 'ROOT', tmp_path)
    for name in ('requirements/tested.txt', 'setup.py'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.delenv('MMCISS_VENV', raising=False)
    monkeypatch.setenv('GOMP_SPINCOUNT', '0')
    return started


def test_the_first_command_installs_once_and_trains(quickstart, commands, monkeypatch, tmp_path: Path) -> None:
    python = str(quickstart.python_of(tmp_path / '.venv'))
    monkeypatch.setattr('sys.argv', ['quickstart.py', 'train'])
    assert quickstart.main() == 0
    install, train = commands
    assert install[:4] == [python, '-m', 'pip', 'install'] and install[-2:] == ['-e', f'{tmp_path}[test]']
    assert install[install.index('-c') + 1] == str(tmp_path / 'requirements' / 'tested.txt')
    assert train == [python, 'tools/train.py', quickstart.DEFAULT_CONFIG, '--resume']
    assert quickstart.main() == 0 and commands[2:] == [train], 'nothing is installed twice'
    (tmp_path / 'setup.py').write_text('other requirements')
    assert quickstart.main() == 0 and commands[3:] == [install, train]


def test_the_second_command_tests_in_the_same_environment(quickstart, commands, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr('sys.argv', ['quickstart.py', 'test', '-m', 'slow'])
    assert quickstart.main() == 0
    python = str(quickstart.python_of(tmp_path / '.venv'))
    assert commands[1][:5] == [python, '-m', 'pytest', '-q', '-n'] and commands[1][-2:] == ['-m', 'slow']
    monkeypatch.setattr('sys.argv', ['quickstart.py', 'trian'])
    assert quickstart.main() == 2 and len(commands) == 2


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
