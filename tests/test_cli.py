"""The command ``mmciss``."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

import pytest

from mmciss.cli import COMMANDS, main
from mmciss.version import __version__


def test_version_and_help_need_no_torch() -> None:
    code = (
        'import sys; from mmciss.cli import main; main(["--version"]); main(["--help"]); '
        'assert "torch" not in sys.modules and "mmengine" not in sys.modules'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f'mmciss {__version__}\nusage: mmciss COMMAND')
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_describes_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, '--help'])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: mmciss {name} ')


@pytest.mark.parametrize('name', COMMANDS)
def test_every_option_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsers: list[argparse.ArgumentParser] = []

    def stop(self: argparse.ArgumentParser, *arguments: object) -> None:
        parsers.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    with pytest.raises(KeyboardInterrupt):
        main([name])
    (parser,) = parsers
    texts = [str(action.help or '') for action in parser._actions]
    assert all(texts) and len(set(texts)) == len(texts), 'none without a text, and none with that of another'
    assert '.py' not in ''.join(texts), 'commands have no file names'
    assert name == 'doctor' or f'examples:\n  mmciss {name} ' in str(parser.epilog)


def test_commands_are_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (module, _) in COMMANDS.items():
        called = []
        monkeypatch.setattr(importlib.import_module(f'mmciss.apis.{module}'), 'main', called.append)
        monkeypatch.setattr(sys, 'argv', ['mmciss'])
        with pytest.raises(TypeError):  # the stand-in returns no status
            main([name, 'x', '--flag'])
        assert called == [['x', '--flag']]


def test_a_misspelt_command_is_refused_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['trian']) == 2
    assert "no command 'trian'" in capsys.readouterr().err
    assert main([]) == 2
