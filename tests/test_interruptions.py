"""Runs that are stopped from outside or run out of disk space end with one line and can be resumed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.engine.runner.run_folder import RunFolder
from tests.processes import start, training_command, wait_until
from tests.smoke import smoke_config

LIMITED = """
import resource, runpy, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def last_confusion(folder: Path) -> list:
    result = RunFolder(folder).result(1)
    assert result is not None
    return result['confusion']


@pytest.mark.parametrize(
    ('number', 'status', 'message'),
    [(signal.SIGTERM, 143, 'stopped by SIGTERM'), (signal.SIGINT, 130, 'interrupted')],
    ids=['SIGTERM', 'Ctrl-C'],
)
def test_a_signal_stops_cleanly_and_the_run_resumes(
    number: signal.Signals, status: int, message: str, finished_run: Path, tmp_path: Path
) -> None:
    """With data workers, which Ctrl-C in a terminal also reaches."""
    workers = ('train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True')
    for attempt in range(3):  # so short a run may end before the signal arrives
        folder = tmp_path / f'run{attempt}'
        process = start(*training_command(folder, '--cfg-options', *workers))
        wait_until((folder / 'step_0' / 'iter_2.pth').exists, process)
        if number == signal.SIGINT and process.poll() is None:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        if process.returncode:
            break
    assert process.returncode == status, errors
    assert message in errors and '--resume' in errors and 'Traceback' not in errors
    train(smoke_config(folder, resume=True))
    assert last_confusion(folder) == last_confusion(finished_run)


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_run_resumes(finished_run: Path, tmp_path: Path) -> None:
    """A limit on the size of files acts as the full disk: reports and logs fit, checkpoints do not."""
    folder = tmp_path / 'run'
    limit = (finished_run / 'step_0' / 'model.pth').stat().st_size // 2
    assert limit > resource.getpagesize()
    process = start('-c', LIMITED, str(limit), *training_command(folder))
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1, errors
    assert 'error: cannot write' in errors and '--resume' in errors and 'Traceback' not in errors
    train(smoke_config(folder, resume=True))
    assert last_confusion(folder) == last_confusion(finished_run)


@pytest.mark.skipif(os.geteuid() != 0, reason='mounting a small disk needs root')
def test_a_disk_that_fills_up_during_the_export(finished_run: Path, tmp_path: Path) -> None:
    """A real full file system: the training checkpoints fit, the exported model beside them does not."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64M', 'tmpfs', str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f'cannot mount a tmpfs: {mounted.stderr.decode().strip()}')
    try:
        work_dir = folder / 'run'
        train(smoke_config(work_dir, run_steps=[0]))
        with open(folder / 'ballast', 'wb') as ballast, pytest.raises(OSError, match='No space left'):
            while True:
                ballast.write(bytes(1 << 16))
                ballast.flush()
        with pytest.raises(OSError, match='No space left'):
            train(smoke_config(work_dir, resume=True))
        (folder / 'ballast').unlink()
        train(smoke_config(work_dir, resume=True))
        assert last_confusion(work_dir) == last_confusion(finished_run)
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)
