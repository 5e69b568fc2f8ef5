"""MBS's selective pseudo labels."""

from __future__ import annotations

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.functional import ignore_unsure_background, threshold_pseudo_labels
from mmciss.models.labelers import SelectiveIgnore, ThresholdLabeler
from mmciss.models.step_context import StepContext
from mmciss.registry import LABELERS
from tests.functional import closed_form as cf
from tests.models.labelers import samples
from tests.models.losses.samples import domain_step, later_step

INNER = dict(type='ThresholdLabeler', threshold=0.7, probability='softmax')


def test_first_the_other_labeler_then_unsure_background() -> None:
    labeler = LABELERS.build(dict(type='SelectiveIgnore', labeler=INNER))
    found = samples.label(labeler, cf.labels(), samples.output(), later_step()).target
    named = threshold_pseudo_labels(cf.labels(), cf.teacher_logits(), 0.7, probability='softmax')
    assert torch.equal(found, ignore_unsure_background(named, cf.teacher_logits()))
    assert ((cf.labels() == 0) & (found == 255)).any() and ((cf.labels() == 0) & (found > 0) & (found < 4)).any()


def test_alone_it_takes_the_labels_as_given() -> None:
    found = samples.label(SelectiveIgnore(), cf.labels(), samples.output(), later_step()).target
    assert torch.equal(found, ignore_unsure_background(cf.labels(), cf.teacher_logits()))


def test_weights_of_images_go_through() -> None:
    labeler = SelectiveIgnore(dict(type='EntropyLabeler'))
    statistics = dict(entropy_thresholds=torch.full((6,), 0.3))
    found = samples.label(labeler, cf.labels(), samples.output(), later_step(), **statistics)
    alone = samples.label(labeler.labeler, cf.labels(), samples.output(), later_step(), **statistics)
    assert torch.equal(found.weights, alone.weights)
    assert {'statistics.entropy_thresholds', 'logits', 'teacher'} == set(labeler.needs)


def test_steps_without_a_new_class_keep_their_labels() -> None:
    target = cf.labels()
    assert torch.equal(samples.label(SelectiveIgnore(), target, samples.output(), domain_step()).target, target)


def test_the_other_labeler_lives_too() -> None:
    calls = []

    class Recording(ThresholdLabeler):
        def check_step(self, step: object) -> None:
            calls.append('check_step')

        def prepare(self, context: object) -> None:
            calls.append(f'prepare {self.key}')

        def begin(self, context: object) -> None:
            calls.append('begin')

        def halfway(self, context: object) -> None:
            calls.append('halfway')

        def end(self, context: object) -> None:
            calls.append('end')

    labeler = SelectiveIgnore(INNER)
    labeler.labeler, labeler.key = Recording(), 'labeler'
    context = StepContext(later_step())
    labeler.check_step(later_step())
    for call in (labeler.prepare, labeler.begin, labeler.halfway, labeler.end):
        call(context)
    assert calls == ['check_step', 'prepare labeler.labeler', 'begin', 'halfway', 'end']


def test_a_probability_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"method.labeler.probability.*'logit'.*sigmoid, softmax"):
        LABELERS.build(dict(type='ThresholdLabeler', probability='logit'))
