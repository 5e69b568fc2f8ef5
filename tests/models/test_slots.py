"""The life of slots, and what they may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.losses import ExtraLoss
from mmciss.models.losses.main_loss import MainLoss
from mmciss.models.outputs import BatchOutputs, SegOutput
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.slot import SharedSlot, Slot
from mmciss.models.slots import check_needs, check_samples, check_statistics
from mmciss.models.step_context import StepContext, StepState
from mmciss.protocols.step import Step
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER, batch, segmentor_config

CALLS: list[str] = []


@MODELS.register_module(force=True)
class Diary(SharedSlot):
    """Notes what it is asked, and counts batches over all steps."""

    def check_step(self, step: Step) -> None:
        CALLS.append(f'check_step {step.index}')

    def prepare(self, context: StepContext) -> None:
        assert context.model.segmentor is not None
        CALLS.append('prepare')
        self.register_buffer('batches', torch.zeros((), dtype=torch.long))

    def begin(self, context: StepContext) -> None:
        CALLS.append('begin')
        if context.previous is not None:
            self.batches.copy_(context.previous.slot(self.key)['batches'])

    def update(self, student: SegOutput, teacher: Any, target: Tensor, context: StepContext) -> None:
        CALLS.append('update')
        self.batches += 1


@MODELS.register_module(force=True)
class ReadsDiary(ExtraLoss):
    """As large as the number of batches, which its own batch is one of."""

    needs = ('logits', 'shared.diary')

    def forward(self, student: SegOutput, teacher: Any, target: Tensor, context: StepContext) -> Tensor:
        CALLS.append('forward')
        return student.logits.sum() * 0 + context.shared['diary'].batches


@MODELS.register_module(force=True)
class SeesEmbedding(MainLoss):
    """A main loss that reads more than scores."""

    needs = ('embedding',)

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        self.seen: BatchOutputs | None = self.outputs
        size = None if self.outputs is None else self.outputs.student().embedding.mean()
        return nn.functional.cross_entropy(logits, target, ignore_index=ignore_index, reduction='none') + (size or 0)


DIARY = dict(shared=dict(diary=dict(type='Diary')), losses=dict(read=dict(type='ReadsDiary')))


def model_of(step: Step, loss: dict | None = None, **options: Any) -> IncrementalSegmentor:
    torch.manual_seed(step.index)
    model = IncrementalSegmentor(segmentor_config(step.num_seen, *([loss] if loss else [])), step, **options)
    model.init_weights()
    return model.train()


def test_a_shared_object_lives_through_two_steps(tmp_path: Path) -> None:
    CALLS.clear()
    base = model_of(BASE, **DIARY)
    losses = [base.loss(*batch(channels=3))['loss_read'].item() for _ in range(2)]
    assert losses == [1, 2]
    assert CALLS == ['check_step 0', 'prepare', 'begin', *['update', 'forward'] * 2]
    save_tensors(tmp_path / 'model.pth', {'state_dict': base.plain_weights()})
    save_tensors(tmp_path / 'state.pth', base.method_state())
    files = {'model': str(tmp_path / 'model.pth'), 'state': str(tmp_path / 'state.pth')}
    later = model_of(LATER, previous=files, **DIARY)
    assert later.shared['diary'].batches == 2 and later.loss(*batch())['loss_read'].item() == 3
    assert not later.needs_teacher, 'nobody asked for one'


def test_a_context_is_shared_and_not_copied() -> None:
    import copy

    model = model_of(BASE, **DIARY)
    assert copy.deepcopy(model).context is model.context and model.context.model is model
    assert list(model.slots()) == ['shared.diary', 'losses.read']
    assert [slot.key for slot in model.slots().values()] == list(model.slots())


def test_a_main_loss_sees_the_embedding_of_its_own_head_alone() -> None:
    model = model_of(BASE, dict(type='SeesEmbedding'))
    model.loss(*batch(channels=3))
    main, auxiliary = model.segmentor.decode_head.loss_decode, model.segmentor.auxiliary_head.loss_decode
    assert isinstance(main.seen, BatchOutputs) and auxiliary.seen is None
    assert main.outputs is None, 'outputs do not outlive their batch'


def test_what_the_step_before_left_is_found_by_key() -> None:
    previous = StepState(Path('model.pth'), Path('nowhere/state.pth'))
    assert previous.content == {} and previous.slot('losses.kd') == {} and previous.statistics == {}
    content = {'losses': {'kd.a': 1, 'kd2.a': 2}, 'labeler': {'b': 3}, 'hooks': {'MyHook': {'c': 4}}}
    previous.__dict__['content'] = {**content, 'statistics': {'means': 5}}
    assert previous.slot('losses.kd') == {'a': 1} and previous.slot('losses.kd2') == {'a': 2}
    assert previous.slot('labeler') == {'b': 3} and previous.slot('hooks.MyHook') == {'c': 4}
    assert previous.statistics == {'means': 5}


class Asks(Slot):
    """Needs what a test says."""

    remedies: ClassVar[dict[str, str]] = {'sample.gt_depth': 'Load it.'}

    def __init__(self, *needs: str) -> None:
        super().__init__()
        self.needs = needs


@pytest.mark.parametrize(
    ('needs', 'message'),
    [
        (('pixels',), r"method.x: Asks.needs holds \['pixels'\]; allowed: .*'teacher'.*'shared.<name>'"),
        (('shared.bank',), r"Asks needs method.shared.bank, which the method does not have; found \['means'\]"),
    ],
)
def test_needs_that_cannot_be_met_are_refused(needs: tuple[str, ...], message: str) -> None:
    segmentor = model_of(BASE).segmentor
    with pytest.raises(ConfigError, match=message):
        check_needs(segmentor, Asks(*needs), 'method.x', ['means'])
    check_needs(segmentor, Asks('shared.means', 'statistics.any', 'sample.any', 'teacher'), 'method.x', ['means'])


def test_statistics_and_fields_that_are_not_there_are_refused() -> None:
    slots = {'labeler': Asks('statistics.thresholds', 'sample.gt_depth')}
    with pytest.raises(ConfigError, match=r"Asks \(method.labeler\) needs 'thresholds', found \['means'\]"):
        check_statistics(slots, ['means'])
    check_statistics(slots, ['thresholds'])
    with pytest.raises(
        ConfigError, match=r"method.labeler: Asks needs 'gt_depth', .*\(they have gt_sem_seg\). Load it."
    ):
        check_samples(slots, ['gt_sem_seg'])
    check_samples(slots, ['gt_sem_seg', 'gt_depth'])


def test_a_name_of_earlier_versions_is_refused_with_the_new_one() -> None:
    old = Asks()
    old.uses_teacher = True
    with pytest.raises(ConfigError, match="Asks.uses_teacher is no longer read; put 'teacher' into needs"):
        check_needs(model_of(BASE).segmentor, old, 'method.losses.kd')
