"""How the command-line tools end."""

from __future__ import annotations

import errno

import pytest

from mmciss.apis.command import run_command
from mmciss.errors import ConfigError
from mmciss.utils.stopping import Stopped


@pytest.mark.parametrize(
    ('error', 'status', 'line'),
    [
        (ConfigError('protocol.name: unknown'), 2, 'error: protocol.name: unknown'),
        (FileNotFoundError('no folder data'), 2, 'error: no folder data'),
        (FloatingPointError('loss_ce is nan'), 1, 'error: loss_ce is nan'),
        (KeyboardInterrupt(), 130, 'interrupted; once more'),
        (Stopped(), 143, 'stopped by SIGTERM; once more'),
        (
            OSError(errno.ENOSPC, 'No space left on device', 'x.pth'),
            1,
            'error: cannot write x.pth: No space left on device. Free some space; once more',
        ),
        (PermissionError(errno.EACCES, 'Permission denied', 'x.pth'), 1, 'error: cannot use x.pth: Permission denied'),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_a_user_can_fix_ends_with_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture
) -> None:
    def work() -> None:
        raise error

    assert run_command(work, 'once more') == status
    assert capsys.readouterr().err == f'{line}\n'


def test_success_and_faults_of_the_program() -> None:
    assert run_command(lambda: None) == 0
    with pytest.raises(OSError, match='Broken pipe'):
        run_command(lambda: (_ for _ in ()).throw(OSError(errno.EPIPE, 'Broken pipe')))
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)
