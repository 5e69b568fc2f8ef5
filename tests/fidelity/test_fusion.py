"""EWF's recipes: losses, gradients, frozen rows, and the mixture at the end of two later steps, from the formulas."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmciss.protocols.step import Step
from tests.fidelity.compose import ComposedStep, compare, compose
from tests.fidelity.network import answer

VOID = 255
LAST = Step(2, new=(6,), old=(1, 2, 3, 4, 5), sizes=(4, 2, 1), names=('background', *'abcdef'))
ROWS = 'decode_head.conv_seg.steps.'
Tensors = dict[str, Tensor]


def mib(logits: Tensor, taught: Tensor, target: Tensor, factor: float) -> Tensor:
    """MiB's cross entropy and distillation, both means over all pixels, void counted."""
    old = taught.shape[1]
    chances = torch.softmax(logits, 1)
    hit = F.one_hot(target.masked_fill(target == VOID, 0), logits.shape[1]).permute(0, 3, 1, 2)
    own = torch.where(target < old, chances[:, :old].sum(1), (chances * hit).sum(1))
    entropy = torch.where(target == VOID, 0.0, -own.log())
    background = chances[:, :1] + chances[:, old:].sum(1, keepdim=True)
    distance = -(torch.softmax(taught, 1) * torch.cat([background, chances[:, 1:old]], 1).log()).sum(1) / old
    return entropy.mean() + factor * distance.mean()


def check_start(step: ComposedStep) -> None:
    """Each new row is the background's; the biases of both are lowered by log(N + 1)."""
    old = torch.cat([step.old.state_dict()[f'{ROWS}{index}.bias'] for index in range(step.step.index)])
    lowered = old[:1] - math.log(step.step.num_new + 1)
    torch.testing.assert_close(step.rows('bias'), torch.cat([lowered, old[1:], *[lowered] * step.step.num_new]))
    weight = step.rows()
    for row in weight[len(old) :]:
        assert torch.equal(row, step.old.state_dict()[f'{ROWS}0.weight'][0])


def trained(net: nn.Module, step: ComposedStep, updates: int, factor: float) -> Tensors:
    """The release's loop: SGD with Nesterov's momentum of all but the rows of earlier steps."""
    net.train()
    newest = f'{ROWS}{step.step.index}.'
    learning = [weight for name, weight in net.named_parameters() if ROWS not in name or name.startswith(newest)]
    optimizer = torch.optim.SGD(learning, lr=0.001, momentum=0.9, nesterov=True, weight_decay=1e-4)
    for images, target in step.batches[:updates]:
        with torch.no_grad():
            taught = answer(step.old, images).logits
        optimizer.zero_grad()
        mib(answer(net, images).logits, taught, target, factor).backward()
        optimizer.step()
    return net.state_dict()


def mixed(old: Tensors, new: Tensors, beta: float) -> Tensors:
    """What was there before is mixed, BatchNorm's statistics too; what is new, and counters, stay."""
    return {
        name: (1 - beta) * old[name] + beta * tensor if name in old and tensor.is_floating_point() else tensor
        for name, tensor in new.items()
    }


def close(found: Tensors, expected: Tensors) -> None:
    """In double precision sums in another order differ by some 1e-13."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-10, msg=lambda text: f'{name}: {text}')


@pytest.mark.parametrize(('recipe', 'factor'), [('ewf_voc_15-1', 10), ('ewf_ade_100-50', 10), ('ewf_ade_100-10', 100)])
def test_two_later_steps(recipe: str, factor: float, tmp_path: Path) -> None:
    """Of 4 channels, 4 + 2, then 6 + 1: the trained weights count sqrt(2 / 6), then sqrt(1 / 7)."""
    run = compose(recipe)
    step, steps = run.later, [(math.sqrt(2 / 6), run.later.step), (math.sqrt(1 / 7), LAST)]
    for index, (beta, what) in enumerate(steps if recipe == 'ewf_voc_15-1' else steps[:1]):
        if index:
            step = ComposedStep(run.cfg, what, tmp_path, step, seed=7)
        check_start(step)
        old, net = step.old.state_dict(), copy.deepcopy(step.model.segmentor)
        step.learn(2)
        left = {name: tensor.clone() for name, tensor in step.model.segmentor.state_dict().items()}
        new = trained(net, step, 2, factor)
        close(left, mixed(old, new, beta))
        moved = {name: not torch.equal(left[name], old[name]) for name in left if name in old}
        assert moved['backbone.bn1.running_var'] and moved['backbone.layer4.0.conv1.weight']
        lowered = old[f'{ROWS}0.bias'][0] - beta * math.log(what.num_new + 1)
        torch.testing.assert_close(left[f'{ROWS}0.bias'][0], lowered)
        torch.testing.assert_close(left[f'{ROWS}0.weight'], old[f'{ROWS}0.weight'])
        compare_loss(step, factor)
        step.model.segmentor.load_state_dict(left)  # what the next step starts from


def compare_loss(step: ComposedStep, factor: float) -> None:
    """Loss and gradients, where the student is not its teacher any more; rows of earlier steps have none."""
    step.model.segmentor.load_state_dict(step.start)
    step.move()
    assert [name for name in step.parameters() if ROWS in name] == [
        f'{ROWS}{step.step.index}.{key}' for key in ('weight', 'bias')
    ]
    compare(step, mib(step.answer().logits, step.teacher().logits, step.target, factor))
