"""Tests of the label-guided distillation of LGKD."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import label_guided_distillation
from tests.functional import closed_form as cf


def target_of(teacher: Tensor, label: int, channels: int) -> Tensor:
    """What the student should say about a pixel, ``(C,)``."""
    q = torch.cat([teacher.softmax(0), teacher.new_zeros(channels - len(teacher))])
    if label >= len(teacher):
        q[label], q[0] = q[0].item(), 0
    return q


def reference(logits: Tensor, teacher: Tensor, labels: Tensor, prev: float, novel: float) -> Tensor:
    costs = []
    for image, row, column in (labels != 255).nonzero().tolist():
        label = int(labels[image, row, column])
        q = target_of(teacher[image, :, row, column], label, logits.shape[1])
        assert abs(float(q.sum()) - 1) < 1e-12
        log_p = logits[image, :, row, column].log_softmax(0)
        costs.append(-(novel if label >= teacher.shape[1] else prev) * (q * log_p).sum())
    return torch.stack(costs).mean()


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    return cf.logits().double(), cf.teacher_logits().double(), cf.labels()


@pytest.mark.parametrize(
    ('weights', 'golden'),
    [
        ((1.0, 1.0, 1.0), 3.385486),
        ((1.0, 0.0, 1.0), 2.242027),
        ((5.0, 0.5, 1.0), 11.781863),
        ((1.0, 1.0, 2.0), 3.398239),
    ],
)
def test_golden_value(weights: tuple[float, ...], golden: float) -> None:
    assert cf.near(label_guided_distillation(cf.logits(), cf.teacher_logits(), cf.labels(), *weights), golden)


@pytest.mark.parametrize('weights', [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (5.0, 0.5)])
def test_equals_the_equation(weights: tuple[float, float]) -> None:
    z, zo, y = inputs()
    torch.testing.assert_close(label_guided_distillation(z, zo, y, *weights), reference(z, zo, y, *weights))


def test_alpha_is_a_factor_on_the_teachers_logits() -> None:
    z, zo, y = inputs()
    found = label_guided_distillation(z, zo, y, alpha=0.5)
    torch.testing.assert_close(found, reference(z, zo / 2, y, 1.0, 1.0))


def test_by_hand() -> None:
    """A pixel of the second new class, where the teacher says background with 3/4 and class 1 with 1/4."""
    teacher = torch.tensor([3.0, 1.0]).log().view(1, 2, 1, 1)
    student = torch.tensor([1.0, 2.0, 1.0, 4.0]).log().view(1, 4, 1, 1)
    found = label_guided_distillation(student, teacher, torch.tensor([[[3]]]))
    torch.testing.assert_close(found, -(0.75 * torch.tensor(4 / 8).log() + 0.25 * torch.tensor(2 / 8).log()))
    found = label_guided_distillation(student, teacher, torch.tensor([[[1]]]))
    torch.testing.assert_close(found, -(0.75 * torch.tensor(1 / 8).log() + 0.25 * torch.tensor(2 / 8).log()))


@pytest.mark.parametrize('label', [0, 2, 254])
def test_without_a_new_label_the_teacher_is_padded_with_zeros(label: int) -> None:
    z, zo, y = inputs()
    padded = F.pad(zo.softmax(1), (0, 0, 0, 0, 0, 2))
    torch.testing.assert_close(
        label_guided_distillation(z, zo, torch.full_like(y, label)), F.cross_entropy(z, padded, reduction='mean')
    )


def test_without_new_channels_it_is_plain_cross_entropy() -> None:
    z, zo, _ = inputs()
    found = label_guided_distillation(z[:, :4], zo, cf.labels())
    known = (cf.labels() != 255).unsqueeze(1)
    torch.testing.assert_close(found, -(zo.softmax(1) * z[:, :4].log_softmax(1) * known).sum() / known.sum())


def test_ignored_pixels_and_those_of_weight_0_have_no_gradient() -> None:
    z, zo, y = inputs()
    label_guided_distillation(z.requires_grad_(True), zo, y, novel_weight=0.0).backward()
    silent = (y == 255) | (y >= 4)
    assert torch.equal(z.grad.abs().sum(1) == 0, silent) and silent.any() and not silent.all()


def test_all_ignored_costs_nothing() -> None:
    z, zo, y = inputs()
    loss = label_guided_distillation(z.requires_grad_(True), zo, torch.full_like(y, 255))
    loss.backward()
    assert loss == 0 and not z.grad.any()


def test_labels_of_another_size_are_those_of_the_nearest_pixel() -> None:
    z, zo, y = inputs()
    torch.testing.assert_close(
        label_guided_distillation(z[..., ::2, ::2], zo[..., ::2, ::2], y),
        reference(z[..., ::2, ::2], zo[..., ::2, ::2], y[:, ::2, ::2], 1.0, 1.0),
    )


def test_as_in_mbs() -> None:
    """MBS writes it as a mean over classes and pixels, times a factor."""
    z, zo, y = inputs()
    y = y.where(y != 255, 0)
    targets = torch.stack(
        [target_of(q, int(label), 6) for q, label in zip(zo.movedim(1, 3).flatten(0, 2), y.flatten(), strict=True)]
    )
    found = label_guided_distillation(z, zo, y, 25 / 6, 25 / 6)
    torch.testing.assert_close(found, -25 * (targets * z.movedim(1, 3).flatten(0, 2).log_softmax(1)).mean())


@pytest.mark.parametrize('weights', [(1.0, 1.0), (5.0, 0.0)])
def test_gradient(weights: tuple[float, float]) -> None:
    y = cf.labels()[:1, :3, :5]
    y[0, 1] = torch.tensor([4, 5, 0, 2, 255])
    assert cf.check_gradient(
        lambda z, zo: label_guided_distillation(z, zo, y, *weights),
        cf.logits()[:1, :, :3, :5],
        cf.teacher_logits()[:1, :, :3, :5],
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    z = (cf.logits() * 1e4).to(dtype).requires_grad_(True)
    loss = label_guided_distillation(z, (cf.teacher_logits() * 1e4).to(dtype), cf.labels())
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()


def test_student_with_fewer_channels_is_refused() -> None:
    with pytest.raises(ValueError, match='do not extend'):
        label_guided_distillation(cf.logits()[:, :3], cf.teacher_logits(), cf.labels())
