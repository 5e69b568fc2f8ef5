"""Tests of the distillation of LGKD."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.functional import label_guided_distillation
from mmciss.models.losses import LabelGuidedDistillationLoss, UnbiasedDistillationLoss
from mmciss.protocols.step import Step
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_golden_value() -> None:
    loss = MODELS.build(dict(type='LabelGuidedDistillationLoss', prev_weight=5.0, novel_weight=0.5, loss_weight=2.0))
    found = loss(samples.student(), samples.teacher(), cf.labels(), samples.later())
    assert cf.near(found, 2 * 11.781863)


def test_alpha_and_mean_over_classes() -> None:
    loss = LabelGuidedDistillationLoss(alpha=2.0, reduction='mean')
    found = loss(samples.student(), samples.teacher(), cf.labels(), samples.later())
    torch.testing.assert_close(
        found, label_guided_distillation(cf.logits(), cf.teacher_logits(), cf.labels(), alpha=2.0) / 6
    )


def test_it_is_computed_where_the_head_says_something() -> None:
    found = LabelGuidedDistillationLoss()(samples.student(4), samples.teacher(4), cf.labels(), samples.later())
    torch.testing.assert_close(
        found, label_guided_distillation(samples.student(4).logits, samples.teacher(4).logits, cf.labels()[:, ::2, ::2])
    )


def test_it_reads_the_labels_as_given() -> None:
    assert LabelGuidedDistillationLoss.given_labels and not LabelGuidedDistillationLoss().state_dict()


@pytest.mark.parametrize('kind', [LabelGuidedDistillationLoss, UnbiasedDistillationLoss])
def test_new_classes_without_a_background_are_refused(kind: type) -> None:
    loss = kind()
    loss.check_step(samples.later_step())
    loss.check_step(samples.domain_step())
    step = Step(index=1, new=(3,), old=(1, 2), sizes=(2, 1), names=('a', 'b', 'c'), background=False)
    with pytest.raises(ConfigError, match=f'{kind.__name__} needs the background channel.*step 1'):
        loss.check_step(step)


def test_unknown_reduction_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r"LabelGuidedDistillationLoss\.reduction.*'pixel'"):
        LabelGuidedDistillationLoss(reduction='pixel')
