"""RCIL: MiB's losses, pooled cubes, and two branches of which one is the merged past."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.fidelity.compose import DOMAINS, Composition, compare, compose
from tests.fidelity.network import Answer
from tests.fidelity.test_mib_family import pixel_mean_ce, unbiased_ce, unbiased_kd

METHODS = {'rcil': 'rcil_voc_15-1'}
STAGES = [f'backbone.layer{stage}' for stage in (1, 2, 3, 4)]
"""Maps after the last activation of every stage, as the release's block leaves them."""
Factors = tuple[float, float, float, float]


def differences(new: Answer, old: Answer) -> list[Tensor]:
    """Differences of squared maps: four stages, the embedding, the logits with new classes in the background."""
    merged = torch.cat([new.small[:, :1] + new.small[:, 4:].sum(1, keepdim=True), new.small[:, 1:4]], 1)
    pairs = [(new.maps[name], old.maps[name]) for name in STAGES]
    pairs += [(new.embedding, old.embedding), (merged, old.small)]
    return [b.square() - a.square() for a, b in pairs]


def norm(maps: Tensor) -> Tensor:
    """Mean over images of the Euclidean norm of all values."""
    return maps.flatten(1).square().sum(1).sqrt().mean()


def cubes(new: Answer, old: Answer, factors: Factors) -> Tensor:
    """Distillation over windows of 4 to 24 pixels, and over three neighbouring channels."""
    spatial = channel = new.small.new_zeros(())
    found, num_new = differences(new, old), new.small.shape[1] - 4
    balance = math.sqrt(6 / 2) if num_new else 1.0
    factor, last, of_channels, last_of_channels = factors
    for index, d in enumerate(found):
        pooled = [norm(F.avg_pool2d(d, side, stride=1, padding=side // 2)) for side in (4, 8, 12, 16, 20, 24)]
        spatial = spatial + (last if index == 5 else factor) * balance * sum(pooled) / 6
        if index < 5:
            padded = torch.cat([torch.zeros_like(d[:, :1]), d, torch.zeros_like(d[:, :1])], 1)
            three = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
            channel = channel + (last_of_channels if index == 4 else of_channels) * balance * norm(three)
    return spatial / 6 + channel / 5


def pairs(segmentor: nn.Module) -> dict[str, tuple[nn.Module, nn.Module]]:
    """Returns the convolutions with two branches and their norms, by the convolution's name."""
    found = {}
    for name, module in segmentor.named_modules():
        if name.endswith(('conv', 'conv2')) and hasattr(module, 'branches'):
            beside = name.removesuffix('conv') + 'bn' if name.endswith('conv') else name.removesuffix('conv2') + 'bn2'
            found[name] = module, segmentor.get_submodule(beside)
    return found


def branch(conv: nn.Module, norms: nn.Module, index: int, x: Tensor) -> Tensor:
    """One branch in evaluation mode, by the formulas of both layers."""
    layer, bn = conv.branches[index], norms.branches[index]
    y = F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation)
    scale = (bn.weight / (bn.running_var + bn.eps).sqrt())[:, None, None]
    return (y - bn.running_mean[:, None, None]) * scale + bn.bias[:, None, None]


def composed(recipe: str = METHODS['rcil'], **options: Any) -> Composition:
    """Returns a recipe with branches that differ."""
    run = compose(recipe, **options)
    with torch.no_grad():
        for _, norms in pairs(run.base.model.segmentor).values():  # branches that have learned differ
            for parameter in norms.branches[1].parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return run


@pytest.mark.parametrize(
    ('recipe', 'factors'),
    [('rcil_voc_15-1', (0.01, 0.0005, 0.01, 0.0005)), ('rcil_ade_100-50', (5e-6, 5e-7, 5e-6, 5e-7))],
)
def test_loss_and_gradients(recipe: str, factors: Factors) -> None:
    run = composed(recipe)
    compare(run.base, pixel_mean_ce(run.base.answer().logits, run.base.target))
    step = run.later
    step.move()
    new, old = step.answer(*STAGES), step.teacher(*STAGES)
    compare(
        step,
        unbiased_ce(new.logits, step.target, 4) + 100 * unbiased_kd(new.logits, old.logits) + cubes(new, old, factors),
    )


def test_domains() -> None:
    """Cross entropy and the pooled cubes alone."""
    step = composed('rcil_cityscapes-domain_11-5', steps=DOMAINS).later
    step.move()
    new, old = step.answer(*STAGES), step.teacher(*STAGES)
    compare(step, pixel_mean_ce(new.logits, step.target) + cubes(new, old, (5e-4, 1e-4, 1e-4, 0.0)))


def test_where_the_branches_are() -> None:
    """In every block of the body, and the four parallel convolutions of the head, the 1x1 one among them."""
    found = sorted(pairs(composed().later.model.segmentor))
    assert len([name for name in found if name.startswith('backbone.')]) == 3 + 4 + 6 + 3
    assert len([name for name in found if name.startswith('decode_head.')]) == 4


def test_the_first_branch_is_what_both_were_and_is_frozen() -> None:
    """The second goes on from where it was."""
    run = composed()
    before, after = pairs(run.base.model.segmentor), pairs(run.later.model.segmentor)
    for name, (conv, norms) in after.items():
        x = torch.randn(
            2, conv.branches[0].in_channels, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        average = (branch(*before[name], 0, x) + branch(*before[name], 1, x)) / 2
        torch.testing.assert_close(branch(conv, norms, 0, x), average)
        torch.testing.assert_close(branch(conv, norms, 1, x), branch(*before[name], 1, x))
        assert not any(
            parameter.requires_grad for layer in (conv, norms) for parameter in layer.branches[0].parameters()
        )
        assert all(parameter.requires_grad for layer in (conv, norms) for parameter in layer.branches[1].parameters())
        assert not norms.branches[0].training and norms.branches[1].training


def test_a_channel_takes_either_branch_or_their_average() -> None:
    """A third of the draws each, anew at every pass, the same for a batch; the average in evaluation mode."""
    conv, norms = pairs(composed().base.model.segmentor)['backbone.layer4.1.conv2']
    x = torch.randn(2, conv.branches[0].in_channels, 6, 6, dtype=torch.float64)
    norms.train()
    for bn in norms.branches:
        bn.eval()  # only the draw is looked at
    first, second = branch(conv, norms, 0, x), branch(conv, norms, 1, x)
    counts = torch.zeros(3)
    torch.manual_seed(0)
    for _ in range(30):
        out = norms(conv(x))
        chosen = torch.stack(
            [((out - kind).abs().amax((0, 2, 3)) < 1e-9) for kind in (first, second, (first + second) / 2)]
        )
        assert (chosen.sum(0) == 1).all()
        counts += chosen.sum(1)
    assert ((counts / counts.sum() - torch.tensor([0.33, 0.33, 0.34])).abs() < 0.06).all()
    norms.eval()
    torch.testing.assert_close(norms(conv(x)), (first + second) / 2)


def test_start() -> None:
    """New rows are the background's; in the release all biases stay, those of new classes as torch drew them."""
    run = composed()
    weight, bias = run.base.rows(), run.base.rows('bias')
    torch.testing.assert_close(run.later.rows(), torch.cat([weight, weight[:1], weight[:1]]))
    torch.testing.assert_close(run.later.rows('bias')[:4], bias)
    new = run.later.rows('bias')[4:]
    assert new.unique().numel() == 2 and new.abs().max() <= 8**-0.5 and not torch.isclose(new, bias[:1]).any()
