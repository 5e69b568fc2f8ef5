"""Methods that freeze what the base step learned (DFT*, SSUL, SSUL-M), composed from their recipes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose, saliency

DFT = ('dft_voc_15-1', 'dft_ade_100-50')
SSUL = ('ssul_voc_15-1', 'ssul_m_voc_15-1', 'ssul_ade_100-50', 'ssul_m_ade_100-50')
VOID, UNKNOWN = 255, -1
PREFIX = 'decode_head.conv_seg'


def tensors(step: ComposedStep) -> dict[str, Tensor]:
    """The classifier's own parameters and statistics by their names in it, with gradients."""
    found = {**dict(step.model.segmentor.named_parameters()), **dict(step.model.segmentor.named_buffers())}
    return {name.removeprefix(f'{PREFIX}.'): value for name, value in found.items() if name.startswith(PREFIX)}


def upsampled(small: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(small, size, mode='bilinear', align_corners=False)


def mean_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Minus the label's log probability, 0 on void, over the number of all pixels."""
    known = target.where(target != VOID, 0)
    chosen = scores.log_softmax(1).gather(1, known[:, None])[:, 0]
    return -(chosen * (target != VOID)).sum() / target.numel()


@pytest.mark.parametrize('recipe', DFT)
def test_dft(recipe: str) -> None:
    """The softmax is over known classes and all to come; later the rows that are not old learn alone."""
    run = compose(recipe)
    for step, groups in ((run.base, ['steps.0', 'future']), (run.later, ['steps.0', 'steps.1', 'future'])):
        own = tensors(step)
        weight, bias = (torch.cat([own[f'{group}.{leaf}'] for group in groups]) for leaf in ('weight', 'bias'))
        assert len(weight) == 7  # four channels at the base step, two in the later one, one after it
        scores = upsampled(F.conv2d(step.answer().embedding, weight, bias), step.target.shape[-2:])
        compare(step, mean_cross_entropy(scores, step.target))
    assert set(run.later.parameters()) == {
        f'{PREFIX}.{group}.{leaf}' for group in ('steps.1', 'future') for leaf in ('weight', 'bias')
    }
    assert not any(
        module.training
        for module in run.later.model.segmentor.modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    )


def test_dft_starts_new_rows_from_those_kept_for_them() -> None:
    run = compose(DFT[0])
    for leaf in ('weight', 'bias'):
        kept = run.base.start[f'{PREFIX}.future.{leaf}']
        found = [run.later.start[f'{PREFIX}.{group}.{leaf}'] for group in ('steps.1', 'future')]
        assert torch.equal(torch.cat(found), kept)
    for name, value in run.base.start.items():
        if '.future.' not in name:
            assert torch.equal(run.later.start[name], value), name


def head(own: dict[str, Tensor], group: str, embedding: Tensor, train: bool) -> Tensor:
    """A 3x3 convolution, batch norm, ReLU, and the rows of a group."""
    maps = F.conv2d(embedding, own[f'{group}.conv.weight'], padding=1)
    mean, variance = own[f'{group}.norm.running_mean'], own[f'{group}.norm.running_var']
    if train:
        mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), unbiased=False)
    maps = (maps - mean.view(1, -1, 1, 1)) / (variance.view(1, -1, 1, 1) + 1e-5).sqrt()
    maps = maps * own[f'{group}.norm.weight'].view(1, -1, 1, 1) + own[f'{group}.norm.bias'].view(1, -1, 1, 1)
    return F.conv2d(maps.clamp(min=0), own[f'{group}.weight'], own[f'{group}.bias'])


def unknown_and_classes(own: dict[str, Tensor], embedding: Tensor, size: torch.Size, train: bool) -> Tensor:
    """Scores ``(N, 1 + C, H, W)``: the unknown class, the background, the classes of each step."""
    groups = ['auxiliary', 'background', *sorted({name[:7] for name in own if name.startswith('steps.')})]
    return upsampled(torch.cat([head(own, group, embedding, train) for group in groups], 1), size)


def sigmoid_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Every channel answers for itself: their sum, over the pixels that are not void."""
    total = scores.new_zeros(())
    valid = target != VOID
    for channel in range(scores.shape[1]):
        yes = (target == channel - 1) & valid  # channel 0 is the unknown class, channel 1 the background
        total = total - (yes * F.logsigmoid(scores[:, channel])).sum()
        total = total - ((valid & ~yes) * F.logsigmoid(-scores[:, channel])).sum()
    return total / valid.sum()


def unknown_labels(target: Tensor, recipe: str) -> Tensor:
    """Background becomes unknown where it stands out (VOC), or everywhere (ADE20K)."""
    may_be = torch.ones_like(target) if '_ade_' in recipe else saliency(target)
    return target.where((target != 0) | (may_be == 0), UNKNOWN)


def pseudo_labels(target: Tensor, scores: Tensor) -> Tensor:
    """The old model's class where it is the surest of all channels and at least 0.7, on what has no label."""
    best, channel = scores.sigmoid().max(1)
    found = (target <= 0) & (channel > 1) & (best >= 0.7)
    return target.where(~found, channel - 1)


@pytest.mark.parametrize('recipe', SSUL)
def test_ssul(recipe: str) -> None:
    run = compose(recipe)
    size = run.base.target.shape[-2:]
    scores = unknown_and_classes(tensors(run.base), run.base.answer().embedding, size, train=True)
    assert scores.shape[1] == 5
    compare(run.base, sigmoid_cross_entropy(scores, unknown_labels(run.base.target, recipe)))

    step = run.later
    step.move()  # what starts as a copy of the unknown head says little about which is which
    old = {name.removeprefix(f'{PREFIX}.'): value for name, value in step.old.state_dict().items()}
    with torch.no_grad():
        before = unknown_and_classes(
            {name: value for name, value in old.items() if 'backbone' not in name},
            step.teacher().embedding,
            size,
            train=False,
        )
    target = pseudo_labels(unknown_labels(step.target, recipe), before)
    assert 0 < (target != unknown_labels(step.target, recipe)).sum() < target.numel() / 2
    scores = unknown_and_classes(tensors(step), step.answer().embedding, size, train=False)
    assert scores.shape[1] == 7
    compare(step, sigmoid_cross_entropy(scores, target))


@pytest.mark.parametrize('recipe', SSUL)
def test_ssul_starts_and_learns_heads(recipe: str) -> None:
    """The new head is all of the unknown one; beside both, the background's learns at a ten thousandth."""
    run = compose(recipe)
    leaves = [name.removeprefix(f'{PREFIX}.auxiliary.') for name in run.base.start if f'{PREFIX}.auxiliary.' in name]
    assert 'conv.weight' in leaves and 'norm.running_var' in leaves
    for leaf in leaves:
        new, unknown = run.later.start[f'{PREFIX}.steps.1.{leaf}'], run.base.start[f'{PREFIX}.auxiliary.{leaf}']
        assert torch.equal(new, unknown.expand_as(new) if leaf in ('weight', 'bias') else unknown), leaf
    learning = [
        f'{group}.{leaf}'
        for group in ('steps.1', 'auxiliary', 'background')
        for leaf in ('conv.weight', 'weight', 'bias')
    ]
    assert set(run.later.parameters()) == {f'{PREFIX}.{name}' for name in learning}
    rates = {}
    for group in run.later.runner.optim_wrapper.optimizer.param_groups:
        for parameter in group['params']:
            names = [name for name, value in run.later.parameters().items() if value is parameter]
            rates.update({name.split('.conv_seg.')[1]: group['lr'] for name in names})
    rate = 0.05 if '_ade_' in recipe else 0.01
    for name in learning:
        assert rates[name] == pytest.approx(rate * (1e-4 if name.startswith('background') else 1)), name
