"""What a run needs from the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import mmciss.register_all
from mmciss.engine.runner.launch import check_launcher, check_work_dir, init_distributed, prepare_config
from mmciss.errors import ConfigError
from tests.engine.runner.test_step_config import config

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason='for machines without CUDA')


@without_cuda
def test_configs_get_the_substitutes_of_this_machine() -> None:
    cfg = config(launcher='pytorch')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.loss_scale = 'dynamic'
    out = prepare_config(cfg)
    assert out.optim_wrapper.type == 'CpuAmpOptimWrapper'
    assert out.model_wrapper_cfg.type == 'CpuDistributedDataParallel'
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper', "the user's config is not changed"


@without_cuda
def test_other_launchers_need_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_NODELIST='here').items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="launcher: 'slurm' is not supported without CUDA"):
        init_distributed(dict(launcher='slurm'))


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
    assert not (tmp_path / 'a').exists(), 'checking makes no folder'
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
