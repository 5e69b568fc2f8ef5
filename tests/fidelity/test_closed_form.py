"""The closed-form classifier, composed: what the base step trains, and rows of joint ridge regression."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose

RECIPE, METHOD, WIDTH, GAMMA = 'mib_voc_15-1', 'closed_form', 64, 1.0
PREFIX = 'decode_head.conv_seg'
VOID = 255
CHANGES = dict(method__structure__width=WIDTH, method__structure__reveal_hidden=False)


def cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Minus the label's log probability, 0 on void, over the number of all pixels."""
    scores = F.interpolate(scores, target.shape[-2:], mode='bilinear', align_corners=False)
    known = target.where(target != VOID, 0)
    chosen = scores.log_softmax(1).gather(1, known[:, None])[:, 0]
    return -(chosen * (target != VOID)).sum() / target.numel()


@torch.no_grad()
def sites(
    step: ComposedStep, upsample: int = 1, levels: Sequence[int] = (), image_pool: bool = False
) -> tuple[Tensor, Tensor]:
    """Random features of every site of the step's three batches, in evaluation mode, and labels of their middle."""
    projection = step.model.segmentor.state_dict()[f'{PREFIX}.projection'].flatten(1)
    step.model.eval()
    vectors, labels = [], []
    for inputs, target in step.batches:
        step.inputs = inputs
        embedding = step.answer().embedding
        maps = step.model.segmentor.extract_feat(inputs)
        beside = [F.interpolate(maps[level], embedding.shape[-2:], mode='bilinear') for level in levels]
        whole = [embedding.mean((2, 3), keepdim=True).expand_as(embedding)] if image_pool else []
        embedding = torch.cat([embedding, *beside, *whole], 1)
        if upsample > 1:
            embedding = F.interpolate(embedding, scale_factor=upsample, mode='bilinear')
        stride = target.shape[-1] // embedding.shape[-1]
        vectors.append(embedding.permute(0, 2, 3, 1).reshape(-1, embedding.shape[1]))
        labels.append(target[:, stride // 2 :: stride, stride // 2 :: stride].reshape(-1))
    return (torch.cat(vectors) @ projection.T).clamp(min=0), torch.cat(labels)


def ridge(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Least squares on one-hot labels with ``sqrt(gamma) I`` below, rows ``(C, E)``."""
    features, labels = features[labels != VOID], labels[labels != VOID]
    features = torch.cat([features, GAMMA**0.5 * torch.eye(WIDTH, dtype=torch.float64)])
    wanted = torch.cat([F.one_hot(labels, classes).double(), torch.zeros(WIDTH, classes, dtype=torch.float64)])
    return torch.linalg.lstsq(features, wanted).solution.T


def solved(step: ComposedStep) -> Tensor:
    return step.model.segmentor.decode_head.conv_seg.weight.flatten(1).detach()


def test_base_step_trains_an_ordinary_classifier() -> None:
    base = compose(RECIPE, METHOD, **CHANGES).base
    own = dict(base.model.segmentor.named_parameters())
    scores = F.conv2d(base.answer().embedding, own[f'{PREFIX}.trained.weight'], own[f'{PREFIX}.trained.bias'])
    compare(base, cross_entropy(scores, base.target))
    assert {name for name in base.parameters() if name.startswith(PREFIX)} == {
        f'{PREFIX}.trained.weight',
        f'{PREFIX}.trained.bias',
    }


@pytest.mark.parametrize(
    ('method', 'upsample', 'levels', 'image_pool'),
    (
        ('closed_form', 1, (), False),
        ('closed_form_fine', 2, (-2,), False),
        ('closed_form', 2, (-3, -2, -1), False),
        ('closed_form_fine', 2, (-3, -2, -1), True),
    ),
)
def test_steps_of_fully_labelled_data_give_the_rows_of_joint_ridge_regression(
    method: str, upsample: int, levels: Sequence[int], image_pool: bool
) -> None:
    """To 1e-6; the batches of the later step show old and new classes, all labelled."""
    own = dict(upsample=upsample, image_pool=image_pool, level=list(levels) or None)
    own = {f'method__structure__{name}': value for name, value in own.items()}
    run = compose(RECIPE, method, method__statistics__ridge__threshold=None, **CHANGES, **own)
    features, labels = sites(run.base, upsample, levels, image_pool)
    run.base.end()
    torch.testing.assert_close(solved(run.base), ridge(features, labels, 4), rtol=0, atol=1e-6)

    later = run.later
    assert torch.equal(solved(later)[:4], solved(run.base)) and not solved(later)[4:].any()
    more, more_labels = sites(later, upsample, levels, image_pool)
    later.end()
    joint = ridge(torch.cat([features, more]), torch.cat([labels, more_labels]), 6)
    torch.testing.assert_close(solved(later), joint, rtol=0, atol=1e-6)
    assert not torch.allclose(solved(later), ridge(more, more_labels, 6), rtol=0, atol=1e-3)


def test_background_sites_get_the_class_that_the_rows_of_the_step_before_are_sure_of() -> None:
    run = compose(RECIPE, METHOD, method__statistics__ridge__threshold=0.55, **CHANGES)
    features, labels = sites(run.base)
    run.base.end()
    before = solved(run.base)
    later = run.later
    more, given = sites(later)
    best, channel = (more @ before.T).sigmoid().max(1)
    found = (given == 0) & (channel > 0) & (best >= 0.55)
    assert found.any() and not found[given == 0].all()
    later.end()
    pseudo = given.where(~found, channel)
    joint = ridge(torch.cat([features, more]), torch.cat([labels, pseudo]), 6)
    torch.testing.assert_close(solved(later), joint, rtol=0, atol=1e-6)


def test_the_rows_of_new_classes_take_what_the_background_hid() -> None:
    plain, revealed = (
        compose(RECIPE, METHOD, **{**CHANGES, 'method__structure__reveal_hidden': on}) for on in (False, True)
    )
    for run in (plain, revealed):
        run.later.end()
    before, after = solved(plain.later), solved(revealed.later)
    assert torch.equal(solved(plain.base), solved(revealed.base)), 'no class of the base step was hidden'
    torch.testing.assert_close(after[1:4], before[1:4])
    shares = (after[4:] * before[4:]).sum(1) / before[4:].square().sum(1) - 1
    assert shares.min() >= 0 and shares.any()
    torch.testing.assert_close(after[4:], (1 + shares[:, None]) * before[4:])
    torch.testing.assert_close(after.sum(0), before.sum(0))
