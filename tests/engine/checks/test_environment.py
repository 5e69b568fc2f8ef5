"""What a run needs around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.engine.checks.environment import check_launcher, check_work_dir
from mmciss.errors import ConfigError


def test_a_launcher_needs_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    check_launcher('none')
    with pytest.raises(ConfigError, match='RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, which tools/dist_train.sh'):
        check_launcher('pytorch')
    with pytest.raises(ConfigError, match='SLURM_PROCID.*tools/slurm_train.sh'):
        check_launcher('slurm')
    with pytest.raises(ConfigError, match="launcher: must be one of .*; found 'torchrun'"):
        check_launcher('torchrun')
    for name, value in dict(RANK='0', WORLD_SIZE='2', MASTER_ADDR='localhost', MASTER_PORT='1').items():
        monkeypatch.setenv(name, value)
    check_launcher('pytorch')
    monkeypatch.setenv('RANK', '2')
    with pytest.raises(ConfigError, match='RANK=2 must be less than WORLD_SIZE=2'):
        check_launcher('pytorch')
    monkeypatch.setenv('RANK', 'first')
    with pytest.raises(ConfigError, match="RANK must be a number, found 'first'"):
        check_launcher('pytorch')


def test_a_work_dir_must_be_a_folder(tmp_path: Path) -> None:
    check_work_dir(tmp_path)
    check_work_dir(tmp_path / 'a' / 'b')
    assert not (tmp_path / 'a').exists(), 'looking makes nothing'
    file = tmp_path / 'file'
    file.write_text('mine')
    for path in (file, file / 'run'):
        with pytest.raises(ConfigError, match=f'work_dir: .*{"file"}'):
            check_work_dir(path)
    for path in ('', ' '):
        with pytest.raises(ConfigError, match='work_dir: is empty'):
            check_work_dir(path)
    for path in ('x' * 300, 'a\0b'):
        with pytest.raises(ConfigError, match='work_dir: cannot use'):
            check_work_dir(path)
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    with pytest.raises(ConfigError, match='link is a link to something that does not exist'):
        check_work_dir(tmp_path / 'link' / 'run')
    assert file.read_text() == 'mine'
