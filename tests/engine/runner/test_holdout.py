"""Runs that are tested on held-out training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict

import mmciss.register_all
from mmciss.apis.inspect_protocol import describe, inspect_experiment
from mmciss.engine import IncrementalRunner
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.holdout import with_held_out_data
from mmciss.evaluation.run_record import read_run
from tests.smoke import smoke_config

LOAD, PACK = dict(type='Load'), dict(type='Pack')


def config(**protocol: object) -> Config:
    parts = [dict(type='A', ann_file='a', pipeline=[LOAD]), dict(type='B', ann_file='b', pipeline=[LOAD])]
    return Config(
        dict(
            protocol=protocol,
            train_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=parts)),
            val_dataloader=None,
            test_dataloader=dict(batch_size=3, dataset=dict(type='A', ann_file='test', pipeline=[PACK])),
        )
    )


def test_training_data_is_tested_in_the_test_pipeline() -> None:
    cfg = config(name='15-1', holdout=0.2)
    found = with_held_out_data(cfg)
    assert found.val_dataloader is None and found.test_dataloader.batch_size == 3
    assert found.test_dataloader.dataset == ConfigDict(
        type='ConcatDataset',
        datasets=[dict(type='A', ann_file='a', pipeline=[PACK]), dict(type='B', ann_file='b', pipeline=[PACK])],
    )
    assert cfg.test_dataloader.dataset.ann_file == 'test' and found.train_dataloader == cfg.train_dataloader


def test_other_configs_stay_as_they_are() -> None:
    for protocol in (
        dict(name='15-1'),
        dict(name='1-1', setting='domain', holdout=0.2),
        dict(domains=['a'], holdout=0.2),
    ):
        cfg = config(**protocol)
        assert with_held_out_data(cfg) is cfg


def test_a_run_learns_and_tests_on_different_training_images(tmp_path: Path) -> None:
    whole = Experiment.from_cfg(smoke_config(tmp_path))
    experiment = Experiment.from_cfg(smoke_config(tmp_path, protocol__holdout=0.2))
    training = set(whole.dataset(0, 'train').source.counts.paths)
    learned = {path for index in (0, 1) for path in experiment.dataset(index, 'train').paths}
    tested = experiment.dataset(1, 'test')
    assert learned | set(tested.paths) <= training and not learned & set(tested.paths) and len(tested) == 8
    assert experiment.dataset(1, 'val').paths == tested.paths
    assert not set(tested.paths) & set(whole.dataset(1, 'test').paths)
    ids = tested.source.counts.ids_of_images(tested.indices)[1]
    assert set(np.unique(tested[0]['data_samples'].gt_sem_seg.data)) <= {*range(21), 255}
    assert any(tested.table[number] > 15 for number in ids) and any(0 < tested.table[number] < 16 for number in ids)
    assert experiment.identity() != whole.identity() and experiment.base_identity() != whole.base_identity()
    assert 'tested on 20 % of the training images' in describe(inspect_experiment(experiment)).splitlines()[0]


def test_run_and_report_say_what_was_tested(tmp_path: Path) -> None:
    cfg = smoke_config(tmp_path, 'finetuning', protocol__holdout=0.2, steps__base__iters=1, steps__later__iters=1)
    IncrementalRunner(cfg, display='none').train()
    record = read_run(tmp_path)
    assert record.held_out == 0.2 and record.last['num_images'] == 8
    text = (tmp_path / 'report.md').read_text()
    assert text.startswith('# Fine-tuning on Shapes 15-5, overlapped, tested on 20 % of the training images\n')
    assert '8 held-out training images' in text
    assert 'tested on 20 % of the training images' in (tmp_path / 'report.html').read_text()
