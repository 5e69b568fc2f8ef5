"""A photograph damaged during a run is named, and the run continues once the file is repaired."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

import mmciss.register_all
from mmciss.apis.command import run_command
from mmciss.datasets.image_pairs import BrokenSampleError
from mmciss.datasets.protocol_data import ProtocolData
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from tests.step_run import block_masks, step_run_config, write_pictures

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


@HOOKS.register_module(force=True)
class BreakPicture(Hook):
    """Damages a picture before the first iteration of a step, after all checks."""

    def __init__(self, picture: str) -> None:
        self.picture = Path(picture)

    def before_train(self, runner: Any) -> None:
        content = self.picture.read_bytes()
        self.picture.with_suffix('.whole').write_bytes(content)
        self.picture.write_bytes(content[: len(content) // 2])


def config(data: Path, work_dir: Path, workers: int) -> Any:
    cfg = step_run_config(
        data,
        work_dir,
        'finetuning',
        train_dataloader__num_workers=workers,
        train_dataloader__persistent_workers=False,
        train_dataloader__batch_size=4,
    )
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.pipeline = PIPELINE
    cfg.steps = dict(base=dict(iters=4, lr=0.01), later=dict(iters=4, lr=0.01))
    cfg.run_steps = [0]
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=1)
    return cfg


@pytest.mark.parametrize('workers', [0, 2])
def test_the_file_is_named_and_the_step_continues_once_it_is_repaired(
    workers: int, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    masks = block_masks(0, 8)
    for mask in masks:
        mask[:20] = 1
    data = write_pictures(tmp_path / 'data', masks)
    picture = data / 'images/p3.png'
    broken = config(data, tmp_path / 'run', workers)
    broken.custom_hooks = [dict(type='BreakPicture', picture=str(picture))]
    status = run_command(lambda: IncrementalRunner.from_cfg(broken).train())
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 2 and line.startswith(f'error: {picture}: ') and '--resume' in line, line
    assert 'cannot be' in line or 'damaged' in line
    result = tmp_path / 'run/step_0/result.json'
    assert not result.exists()
    if not workers:
        picture.with_suffix('.whole').rename(picture)
        again = config(data, tmp_path / 'run', workers)
        again.resume = True
        IncrementalRunner.from_cfg(again).train()
        assert result.exists()


def test_mistakes_of_a_transform_are_not_blamed_on_files(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', block_masks(0, 8))
    cfg = step_run_config(data, tmp_path / 'run', 'finetuning')
    cfg.train_dataloader.dataset.pipeline = [*PIPELINE[:2], dict(type='RandomFlip', prob=0.0), PIPELINE[2]]
    dataset = ProtocolData.from_cfg(cfg).dataset(0, 'train')

    def fail(results: dict) -> dict:
        raise ZeroDivisionError('my own mistake')

    for part in dataset._parts:
        part.pipeline.transforms.append(fail)
    with pytest.raises(ZeroDivisionError, match='my own mistake'):
        dataset[0]


def test_rejected_pictures_that_are_broken_are_named(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', [np.ones((40, 40), dtype=np.int64)] * 2)
    cfg = step_run_config(data, tmp_path / 'run', 'finetuning')
    cfg.train_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile', ignore_empty=True), *PIPELINE[1:]]
    dataset = ProtocolData.from_cfg(cfg).dataset(0, 'train')
    (data / 'images/p0.png').write_bytes(b'')
    with pytest.raises(BrokenSampleError, match=r'p0\.png: is not a readable image'):
        dataset[0]


def test_the_error_of_a_worker_is_one_line() -> None:
    error = BrokenSampleError('a.png: broken')
    kind = type(error).__name__
    text = f'Caught {kind} in DataLoader worker process 0.\nTraceback ...\nmodule.{kind}: {error}'
    assert str(BrokenSampleError(text)) == 'a.png: broken' == str(pickle.loads(pickle.dumps(error)))
