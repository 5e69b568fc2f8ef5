"""The command line of reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.apis.report import main
from mmciss.evaluation.failed_runs import write_failure
from tests.evaluation.synthetic_run import write_run


@pytest.mark.parametrize('out', ['', ' ', 'a file'])
def test_an_output_that_is_not_a_folder_is_refused(tmp_path: Path, out: str, capsys: pytest.CaptureFixture) -> None:
    if out.strip():
        (tmp_path / out).write_text('kept')
        out = str(tmp_path / out)
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), '--out', out])
    assert ended.value.code == 2 and '--out: must be a folder' in capsys.readouterr().err


def test_a_folder_without_runs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_one_finished_run_is_not_shown_without_its_failed_neighbour(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_run(tmp_path / 'mib')
    write_failure(tmp_path / 'plop', 'exit status 1', tmp_path / 'logs' / 'plop.log', '')
    assert main([str(tmp_path)]) == 0
    assert 'plop is not in it: the run failed (exit status 1), see logs/plop.log' in capsys.readouterr().out
    assert main([str(tmp_path / 'mib')]) == 0
    assert 'failed' not in capsys.readouterr().out
