"""AWT on MiB: MiB's loss, and new rows that start from integrated gradients, summed up step by step here."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose
from tests.fidelity.network import answer
from tests.fidelity.test_mib_family import mib

METHODS = {'awt': 'awt_voc_15-1'}
NEW = (4, 5)
FRACTION = 0.25


def background_sum(embedding: Tensor, weight: Tensor, bias: Tensor, size: tuple[int, int]) -> Tensor:
    """What is attributed: the sum over all pixels of the upsampled background logit."""
    logit = F.conv2d(embedding, weight, bias)
    return F.interpolate(logit, size, mode='bilinear', align_corners=False).sum()


def integrated_gradients(step: ComposedStep, inputs: Tensor, points: int = 50) -> Tensor:
    """Gradients of the old background along the way from a grey image's embedding, summed up, ``(N, D, h, w)``."""
    weight, bias = (step.old.get_parameter(f'decode_head.conv_seg.steps.0.{key}')[:1] for key in ('weight', 'bias'))
    with torch.no_grad():
        end = answer(step.old, inputs).embedding
        begin = answer(step.old, torch.zeros_like(inputs[:1])).embedding  # normalised: the data set's mean colour
    total = torch.zeros_like(end)
    for point in range(points):
        place = (begin + (point + 0.5) / points * (end - begin)).requires_grad_()
        total += torch.autograd.grad(background_sum(place, weight, bias, inputs.shape[-2:]), place)[0]
    return (end - begin) * total / points


def channel_masks(step: ComposedStep, groups: list[tuple[int, ...]]) -> Tensor:
    """The quarter of the channels with the largest attribution on the pixels of each group of classes, ``(K, D)``."""
    maps: list[list[Tensor]] = [[] for _ in groups]
    for inputs, target in step.batches:
        for attribution, labels in zip(integrated_gradients(step, inputs), target, strict=True):
            for found, classes in zip(maps, groups, strict=True):
                shown = sum((labels == number).double() for number in classes)
                small = F.interpolate(shown[None, None], attribution.shape[-2:], mode='nearest')[0]
                if small.any():
                    found.append(attribution * small)
    masks = []
    for found in maps:
        score = torch.stack(found).mean(0).amax((1, 2))
        best = score.argsort(descending=True)[: round(FRACTION * len(score))]
        masks.append(torch.zeros(len(score), dtype=torch.float64).index_fill(0, best, 1.0))
    return torch.stack(masks)


@pytest.mark.parametrize('per_class', [True, False])
def test_start(per_class: bool) -> None:
    """``w_new = r + m * w_bg`` with the random row ``r``; all biases stay as they are."""
    recipe = METHODS['awt']
    run = compose(recipe, method__statistics__attribution__per_class=per_class)
    random = compose(recipe, method__initializer=None).later
    masks = channel_masks(run.later, [(number,) for number in NEW] if per_class else [NEW]).expand(2, -1)
    assert masks.sum(1).tolist() == [2, 2]
    background = run.base.rows()[:1]
    expected = torch.cat([run.base.rows(), random.rows()[4:] + masks[:, :, None, None] * background])
    torch.testing.assert_close(run.later.rows(), expected)
    torch.testing.assert_close(run.later.rows('bias'), random.rows('bias'))
    torch.testing.assert_close(random.rows('bias')[:4], run.base.rows('bias'))


def test_random_rows_are_those_of_a_plain_convolution() -> None:
    """Uniform within ``1 / sqrt(D)``, weights and biases, as the release leaves them; D is 8 here."""
    later = compose('mib_voc_15-1', 'finetuning').later
    for key in ('weight', 'bias'):
        new = later.rows(key)[4:]
        assert new.abs().max() <= 8**-0.5 and new.abs().max() > 0.3 * 8**-0.5 and new.unique().numel() == new.numel()


def test_loss_and_gradients() -> None:
    run = compose(METHODS['awt'])
    run.later.move()
    compare(run.later, mib(run.later))
