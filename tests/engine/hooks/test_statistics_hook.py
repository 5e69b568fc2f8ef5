"""Passes over the data before, halfway through and after training."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.registry import MODELS
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import mmciss.register_all
from mmciss.engine.hooks.statistics_hook import FILE, StatisticsHook
from mmciss.engine.statistics.data_pass import DataPass
from mmciss.errors import ConfigError
from mmciss.models.classifiers.export import plain_state_dict
from mmciss.models.outputs import SegOutput
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.slot import SharedSlot
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher, build_teacher
from mmciss.registry import STATISTICS
from mmciss.utils.files import load_tensors, save_tensors
from tests.models.tiny import BASE, LATER, batch, segmentor_config

PASSES = dict(
    thresholds=dict(type='EntropyThresholds', minimum=0.0),
    left_out=None,
    attribution=dict(type='BackgroundAttribution'),
)
PREPROCESSOR = dict(type='mmseg.SegDataPreProcessor', size_divisor=1)


class Images(Dataset):
    """Five images, of which it remembers how often each was read."""

    def __init__(self) -> None:
        inputs, samples = batch(size=5)
        self.items = [dict(inputs=image, data_samples=sample) for image, sample in zip(inputs, samples, strict=True)]
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.read.append(int(index))
        random.random(), np.random.rand(), torch.rand(1)  # as augmentation does
        return self.items[index]


@pytest.fixture
def previous(tmp_path: Path) -> dict[str, str]:
    """Files of a finished base step."""
    torch.manual_seed(0)
    model = IncrementalSegmentor(segmentor_config(3), BASE)
    save_tensors(tmp_path / 'model.pth', {'state_dict': plain_state_dict(model.segmentor)})
    return {'model': str(tmp_path / 'model.pth'), 'state': str(tmp_path / 'state.pth')}


def make_runner(folder: Path, previous: dict | None, images: Images, **options: Any) -> SimpleNamespace:
    """Returns what a hook sees of a runner just before training."""
    step, classes = (LATER, 5) if previous else (BASE, 3)
    model = IncrementalSegmentor(
        segmentor_config(classes), step, previous=previous, data_preprocessor=PREPROCESSOR, **options
    )
    if previous:
        model.set_teacher(build_teacher(model, 'cpu'))
    loader = DataLoader(images, batch_size=2, shuffle=True, collate_fn=pseudo_collate)
    return SimpleNamespace(
        model=model, train_dataloader=loader, work_dir=str(folder), seed=0, logger=logging.getLogger('test')
    )


def random_state() -> list[Any]:
    return [random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()]


def test_looks_at_every_image_once_and_leaves_no_trace_in_random_numbers(previous: dict, tmp_path: Path) -> None:
    images = Images()
    runner = make_runner(tmp_path, previous, images, labeler=dict(type='EntropyLabeler'))
    before = random_state()
    StatisticsHook(PASSES).before_run(runner)
    assert random_state() == before
    assert sorted(images.read) == [0, 1, 2, 3, 4]
    assert set(runner.model.context.statistics) == {
        'entropy_thresholds',
        'entropy_medians',
        'attribution',
        'channel_mask',
    }
    assert not any(parameter.grad is not None for parameter in runner.model.parameters())
    assert runner.model.teacher is not None, 'the labeler needs it'


def test_a_resumed_step_reads_what_was_found(previous: dict, tmp_path: Path) -> None:
    first = make_runner(tmp_path, previous, Images())
    StatisticsHook(PASSES).before_run(first)
    assert first.model.teacher is None, 'no slot needs it any longer'
    images = Images()
    again = make_runner(tmp_path, previous, images)
    StatisticsHook(PASSES).before_run(again)
    assert images.read == []
    torch.testing.assert_close(again.model.context.statistics, first.model.context.statistics)
    StatisticsHook(PASSES).before_run(again)  # mmengine calls it before a test as well
    assert images.read == []


def test_a_damaged_file_is_made_again(previous: dict, tmp_path: Path) -> None:
    first = make_runner(tmp_path, previous, Images())
    StatisticsHook(PASSES).before_run(first)
    for damage in (b'', (tmp_path / FILE).read_bytes()[:100]):
        (tmp_path / FILE).write_bytes(damage)
        images = Images()
        again = make_runner(tmp_path, previous, images)
        StatisticsHook(PASSES).before_run(again)
        assert len(images.read) == 5
        torch.testing.assert_close(again.model.context.statistics, first.model.context.statistics)


def test_other_passes_do_not_read_it(previous: dict, tmp_path: Path) -> None:
    StatisticsHook(PASSES).before_run(make_runner(tmp_path, previous, Images()))
    images = Images()
    other = {**PASSES, 'attribution': dict(type='BackgroundAttribution', fraction=0.5)}
    runner = make_runner(tmp_path, previous, images)
    StatisticsHook(other).before_run(runner)
    assert len(images.read) == 5
    assert runner.model.context.statistics['channel_mask']['decode_head.conv_seg'].sum(1).tolist() == [4, 4]
    stored = load_tensors(tmp_path / FILE)['statistics']
    torch.testing.assert_close(stored, runner.model.context.statistics)


def test_the_base_step_has_nothing_to_look_at(tmp_path: Path) -> None:
    images = Images()
    StatisticsHook(PASSES).before_run(make_runner(tmp_path, None, images))
    assert images.read == [] and not (tmp_path / FILE).exists()


def test_a_layer_that_does_not_exist_is_refused_before_any_image_is_read(previous: dict, tmp_path: Path) -> None:
    images = Images()
    hook = StatisticsHook(dict(prototypes=dict(type='ClassPrototypes', layer='backbone.layer9')))
    with pytest.raises(ConfigError, match=r"method.statistics.prototypes.layers.*'backbone.layer9'"):
        hook.before_run(make_runner(tmp_path, previous, images))
    assert images.read == []


@STATISTICS.register_module()
class Glance(DataPass):
    """Says whether there was a teacher, and which model it looked at."""

    needs = ('embedding', 'teacher')
    finds = ('glance',)

    def __init__(self, when: str) -> None:
        self.when = when

    def begin(self, context: StepContext, model: Teacher) -> None:
        super().begin(context, model)
        self.found = []

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        teacher = self.context.teacher
        self.found.append([len(inputs), teacher is not None, self.model.segmentor is self.context.model.segmentor])

    def finish(self) -> dict[str, Any]:
        return {'glance': torch.tensor(self.found)}


@MODELS.register_module()
class Reader(SharedSlot):
    """Remembers what it read halfway."""

    def halfway(self, context: StepContext) -> None:
        self.read = context.statistics['glance']


def test_halfway_slots_read_what_a_copy_of_the_model_found(previous: dict, tmp_path: Path) -> None:
    images = Images()
    runner = make_runner(tmp_path, previous, images, shared=dict(reader=dict(type='Reader')))
    runner.max_iters = 7
    model = runner.model.train()
    hook = StatisticsHook(dict(glance=dict(type='Glance', when='halfway')))
    before = random_state()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    learning = [parameter.requires_grad for parameter in model.parameters()]
    for runner.iter in range(7):
        hook.before_train_iter(runner, runner.iter)
        assert hasattr(model.shared['reader'], 'read') == (runner.iter >= 3)
    assert model.shared['reader'].read.tolist() == [[2, 1, 0], [2, 1, 0], [1, 1, 0]], 'once, with the teacher'
    assert 'glance' not in model.context.statistics and random_state() == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert model.segmentor.training and learning == [parameter.requires_grad for parameter in model.parameters()]
    assert hook.finish(runner) == {}


def test_a_pass_after_training_has_the_teacher_for_as_long_as_it_runs(previous: dict, tmp_path: Path) -> None:
    runner = make_runner(tmp_path, previous, Images())
    runner.model.set_teacher(None)  # training is over
    hook = StatisticsHook(dict(glance=dict(type='Glance', when='after')))
    assert hook.finish(runner)['glance'].tolist() == [[2, 1, 1], [2, 1, 1], [1, 1, 1]]
    assert runner.model.teacher is None
    base = make_runner(tmp_path, None, Images())
    assert hook.finish(base)['glance'][:, 1].tolist() == [0, 0, 0], 'nobody taught the base step'
