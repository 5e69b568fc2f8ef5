"""The command line of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.apis.train import main
from tests.paths import ROOT
from tests.smoke import SMOKE


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--protocol', '25-1'], 'error: protocol.name'),
        (['--method', 'mbi'], "error: --method: unknown method 'mbi'"),
        (['--setting', 'disjont'], "error: protocol.setting: unknown setting 'disjont'"),
        (
            ['--cfg-options', 'test_dataloader.dataset.data_root=nowhere', 'test_dataloader.dataset.type=Voc6Dataset'],
            'error: ',
        ),
    ],
)
def test_wrong_input_ends_with_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list, message: str
) -> None:
    assert main([str(ROOT / SMOKE), '--work-dir', str(tmp_path / 'run'), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error
    assert not list(tmp_path.glob('run/step_*')), 'nothing was trained'
