"""The command line of tools/report.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.paths import ROOT


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location('report_tool', ROOT / 'tools' / 'report.py')
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('out', ['', ' ', 'a file'])
def test_an_output_that_is_not_a_folder_is_refused(
    tool: ModuleType, tmp_path: Path, out: str, capsys: pytest.CaptureFixture
) -> None:
    if out.strip():
        (tmp_path / out).write_text('kept')
        out = str(tmp_path / out)
    with pytest.raises(SystemExit) as ended:
        tool.main([str(tmp_path), '--out', out])
    assert ended.value.code == 2 and '--out: must be a folder' in capsys.readouterr().err


def test_a_folder_without_runs_is_named(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert tool.main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
