"""The feature distillation of MBS."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

from mmciss.functional import weighted_feature_distillation
from mmciss.models.outputs import SegOutput
from tests.functional import closed_form as cf
from tests.models.losses import samples


def outputs(**options: object) -> tuple[SegOutput, SegOutput]:
    return tuple(
        SegOutput(cf.wave((1, channels, 2, 2), 0.4, 0.1), cf.wave((1, 3, 2, 2), 0.3, shift), **options)
        for channels, shift in ((6, 0.2), (4, 0.9))
    )


def test_weights_on_a_grid_of_two_by_two() -> None:
    """An old class weighs 1, a new one and an ignored pixel 0, background what the teacher gives it."""
    loss = MODELS.build(dict(type='WeightedFeatureDistillationLoss', loss_weight=2.0))
    student, teacher = outputs()
    target = torch.tensor([[[2, 5], [255, 0]]])
    believed = teacher.logits.softmax(1)[0, 0, 1, 1]
    expected = weighted_feature_distillation(
        student.embedding, teacher.embedding, torch.tensor([[[1.0, 0.0], [0.0, believed]]])
    )
    torch.testing.assert_close(loss(student, teacher, target, samples.later()), 2 * expected)
    larger = target.repeat_interleave(4, 1).repeat_interleave(4, 2)
    torch.testing.assert_close(loss(student, teacher, larger, samples.later()), 2 * expected)


def test_tokens_of_patches_are_maps() -> None:
    loss = MODELS.build(dict(type='WeightedFeatureDistillationLoss', layer='decode_head.patch_proj'))
    assert loss.needs == ('logits', 'teacher', 'features') and loss.layers == ('decode_head.patch_proj',)
    target = torch.tensor([[[2, 5], [255, 0]]])
    student, teacher = outputs()
    expected = MODELS.build(dict(type='WeightedFeatureDistillationLoss'))(student, teacher, target, samples.later())
    for output in (student, teacher):
        output.features['decode_head.patch_proj'] = output.embedding.flatten(2).transpose(1, 2)
    torch.testing.assert_close(loss(student, teacher, target, samples.later()), expected)


def test_nothing_without_a_teacher_or_where_all_is_new() -> None:
    loss = MODELS.build(dict(type='WeightedFeatureDistillationLoss'))
    student, teacher = outputs()
    assert loss(student, None, torch.zeros(1, 2, 2, dtype=torch.long), samples.base()) == 0
    assert loss(student, teacher, torch.full((1, 2, 2), 4), samples.later()) == pytest.approx(0)
