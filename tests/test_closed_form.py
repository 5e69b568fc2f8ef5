"""Runs of the closed-form classifier: no later iteration, interruptions, processes, pretrained networks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.config import Config

import mmciss.register_all
from mmciss.apis.test import test_step as measure
from mmciss.apis.train import train
from mmciss.engine.statistics import RidgeCorrelations
from mmciss.errors import ConfigError
from tests.processes import free_port
from tests.smoke import smoke_config

pytestmark = pytest.mark.usefixtures('no_figures')

METHOD = 'closed_form_fine'  # all that closed_form does, and a map that the head hands on


def config(folder: Path, world: int = 1, **options: object) -> Config:
    cfg = smoke_config(folder, METHOD, protocol__name='15-1', method__structure__width=128, **options)
    cfg.train_dataloader.batch_size = 4 // world
    if world > 1:
        cfg.launcher = 'pytorch'
    return cfg


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return torch.load(folder / f'step_{step}/model.pth', weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a base step and two later ones."""
    folder = tmp_path_factory.mktemp('closed') / 'whole'
    train(config(folder, run_steps=[0, 1, 2]))
    return folder


def test_later_steps_change_rows_and_nothing_else(whole: Path) -> None:
    results = train(config(whole, run_steps=[0, 1, 2], resume=True))
    assert [result['iterations'] for result in results] == [6, 0, 0]
    first, last = weights(whole, 0), weights(whole, 2)
    for name, value in first.items():
        rows = name.startswith('decode_head.conv_seg.steps')
        assert rows or torch.equal(last[name], value), name
    assert not torch.equal(last['decode_head.conv_seg.steps.0.weight'], first['decode_head.conv_seg.steps.0.weight']), (
        'new data move old rows too'
    )
    assert all(last[f'decode_head.conv_seg.steps.{step}.weight'].any() for step in range(3))


@pytest.mark.parametrize('index', [0, 1])
def test_a_finished_step_is_measured_again(index: int, whole: Path, tmp_path: Path) -> None:
    """Its model has no classifier to train, which the model of a base step otherwise has."""
    expected = train(config(whole, run_steps=[0, 1, 2], resume=True))[index]
    confusion = np.array(expected['confusion'])
    found = measure(config(tmp_path), index, whole / f'step_{index}' / 'model.pth')
    assert found['aAcc'] == pytest.approx(100 * confusion.trace() / confusion.sum())


@pytest.mark.parametrize('index', [0, 2])
def test_a_step_that_was_interrupted_in_its_pass_is_made_again(
    index: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict(run_steps=list(range(index + 1)), **(dict(base_from=str(whole)) if index else {}))
    update, seen = RidgeCorrelations.update, []

    def interrupted(self: RidgeCorrelations, *args: object) -> None:
        seen.append(self.step.index)
        if seen.count(index) == 2:
            raise KeyboardInterrupt
        update(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(RidgeCorrelations, 'update', interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config(tmp_path / 'parts', **options))
    results = train(config(tmp_path / 'parts', resume=True, **options))
    expected = train(config(whole, run_steps=[0, 1, 2], resume=True))[: index + 1]
    assert [item['sha256'] for item in results] == [item['sha256'] for item in expected]
    assert results[index]['confusion'] == expected[index]['confusion']


def on_rank(rank: int, world: int, port: int, folder: str, base: str) -> None:
    """One process of a distributed run."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world)
    )
    torch.set_num_threads(1)
    train(config(Path(folder), world, run_steps=[0, 1, 2], base_from=base))
    torch.distributed.destroy_process_group()


def test_two_processes_learn_the_rows_of_one(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'two'
    mp.start_processes(on_rank, (2, free_port(), str(folder), str(whole)), nprocs=2, start_method='spawn')
    for name, value in weights(whole, 2).items():
        torch.testing.assert_close(
            weights(folder, 2)[name], value, rtol=0, atol=1e-4 * max(1, float(value.abs().max()))
        )


def test_a_pretrained_network_needs_no_iteration_at_all(tmp_path: Path) -> None:
    train(smoke_config(tmp_path / 'plain', 'finetuning', protocol__name='15-1', run_steps=[0]))
    given = str(tmp_path / 'plain' / 'step_0' / 'model.pth')
    results = train(config(tmp_path / 'run', load_from=given, steps__base__iters=0, run_steps=[0, 1]))
    assert [result['iterations'] for result in results] == [0, 0]
    plain, found = (torch.load(given, weights_only=True)['state_dict'], weights(tmp_path / 'run', 1))
    assert all(torch.equal(found[name], value) for name, value in plain.items() if 'conv_seg' not in name)
    taken = train(config(tmp_path / 'taken', base_from=str(tmp_path / 'plain'), run_steps=[0, 1]))
    assert [result['sha256'] for result in taken] == [result['sha256'] for result in results]
    assert [result['iterations'] for result in taken] == [6, 0], 'as if it had trained the base step itself'
    with pytest.raises(ConfigError, match='trained differently'):
        train(smoke_config(tmp_path / 'back', 'finetuning', base_from=str(tmp_path / 'taken')))
    with pytest.raises(ConfigError, match='trained differently'):
        train(config(tmp_path / 'seed', base_from=str(tmp_path / 'plain'), randomness__seed=1))


def test_rows_that_were_solved_for_are_solved_for_anew_and_not_trained(whole: Path, tmp_path: Path) -> None:
    solved = str(whole / 'step_0' / 'model.pth')
    with pytest.raises(ConfigError, match='load_from: this model has rows that were solved for.*iters=0'):
        train(config(tmp_path / 'trained', load_from=solved, run_steps=[0]))
    train(config(tmp_path / 'again', load_from=solved, run_steps=[0], steps__base__iters=0))
    found, expected = weights(tmp_path / 'again', 0), weights(whole, 0)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"RandomExpansion \(method.structure\) needs 'autocorrelation'"):
        train(config(tmp_path / 'a', method__statistics__ridge=None))
    with pytest.raises(ConfigError, match='an average of weights does not have the rows.*leave the hook out'):
        train(config(tmp_path / 'b', custom_hooks=[dict(type='EMAHook')]))
    with pytest.raises(ConfigError, match='steps.base.iters must be a positive number, found 0'):
        train(smoke_config(tmp_path / 'c', 'mib', steps__base__iters=0))
    assert not (tmp_path / 'a' / 'step_0').exists()
