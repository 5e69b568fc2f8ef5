"""EWC, PI and RW as MiB's authors ran them: three steps against their trainer's loop, written with torch alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmciss.protocols.step import Step
from tests.fidelity.compose import LATER, ComposedStep, compare, compose

VOID = 255
LAST = Step(2, new=(6,), old=(1, 2, 3, 4, 5), sizes=(4, 2, 1), names=('background', *'abcdef'))
TOLERANCE = 1e-5
"""Relative to a tensor's greatest value.

Scores are quotients of what nearly cancels: 1e-13 in a weight becomes 4e-7 there; another rule is off by over 1e-2.
"""
Tensors = dict[str, Tensor]


def fine_tuning(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy; void counts nothing, but in the number of pixels."""
    known = target != VOID
    picked = torch.log_softmax(logits, 1).gather(1, target.where(known, 0).unsqueeze(1)).squeeze(1)
    return -(picked * known).sum() / target.numel()


def spread(importance: Tensor) -> Tensor:
    """Scales a tensor to [0, 1]."""
    return (importance - importance.min()) / (importance.max() - importance.min() + 1e-8)


@dataclass
class Measure:
    """What a method knows: ``left`` by the steps before, the rest about this one."""

    left: dict[str, Tensors] = field(default_factory=dict)
    fisher: Tensors = field(default_factory=dict)
    score: Tensors = field(default_factory=dict)
    noted: Tensors = field(default_factory=dict)

    def known(self, kind: str, name: str) -> Tensor | None:
        return self.left.get(kind, {}).get(name)


class EWC(Measure):
    """The running squared gradient, over all steps."""

    factor = 500

    def see(self, update: int, name: str, weight: Tensor, gradient: Tensor) -> None:
        before = self.fisher.get(name, self.known('fisher', name))
        before = torch.ones_like(weight) if before is None else before
        self.fisher[name] = 0.9 * gradient**2 + 0.1 * before

    def leave(self, now: Tensors, start: Tensors) -> dict[str, Tensors]:
        return {'fisher': self.fisher}

    def stiffness(self, name: str) -> Tensor | None:
        known = self.known('fisher', name)
        return None if known is None else spread(known)


class PI(Measure):
    """The gradient of an update times the move of the one before it, over the squared way."""

    factor = 500

    def see(self, update: int, name: str, weight: Tensor, gradient: Tensor) -> None:
        if name in self.noted:
            self.score[name] = self.score.get(name, 0) + gradient * (self.noted[name] - weight)
        self.noted[name] = weight.clone()

    def leave(self, now: Tensors, start: Tensors) -> dict[str, Tensors]:
        found = {}
        for name, path in self.score.items():
            found[name] = (path / ((now[name] - start[name]) ** 2 + 1e-20)).clamp(min=0)
            if self.known('score', name) is not None:
                found[name] = found[name] + self.known('score', name)
        return {'score': found}

    def stiffness(self, name: str) -> Tensor | None:
        known = self.known('score', name)
        return None if known is None else spread(known)


class RW(EWC):
    """The Fisher information, and stretches from update 1 to 11 to 21 over their length in its metric."""

    factor = 100

    def see(self, update: int, name: str, weight: Tensor, gradient: Tensor) -> None:
        if update % 10 == 1:
            if update > 1:
                way = 0.5 * self.fisher[name] * (weight - self.noted[name]) ** 2
                self.score[name] = self.score.get(name, 0) + gradient * (self.noted[name] - weight) / (way + 1e-8)
            self.noted[name] = weight.clone()
        super().see(update, name, weight, gradient)

    def leave(self, now: Tensors, start: Tensors) -> dict[str, Tensors]:
        found = {}
        for name, weight in now.items():
            score = torch.zeros_like(weight) + self.score.get(name, 0)
            known = self.known('score', name)
            found[name] = score.clamp(min=0) if known is None else (score.clamp(min=0) + known) / 2
        return {'fisher': self.fisher, 'score': found}

    def stiffness(self, name: str) -> Tensor | None:
        known = self.known('fisher', name)
        return None if known is None else spread(known) + spread(self.known('score', name))


def train(net: nn.Module, step: ComposedStep, measure: Measure, updates: int, rate: float) -> dict[str, Tensors]:
    """The loop: task loss, measure, penalty, SGD with Nesterov's momentum. Returns what the next step gets."""
    net.train()
    weights = dict(net.named_parameters())
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    speed: Tensors = {}
    for update in range(1, updates + 1):
        images, target = step.batches[(update - 1) % len(step.batches)]
        scores = net.decode_head(net.backbone(images))
        logits = F.interpolate(scores, images.shape[-2:], mode='bilinear', align_corners=False)
        gradients = torch.autograd.grad(fine_tuning(logits, target), list(weights.values()))
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            measure.see(update, name, weight.detach(), gradient)
            stiffness = measure.stiffness(name)
            if stiffness is not None:
                penalty = measure.factor * (stiffness * (weight - start[name]) ** 2).sum()
                gradient = gradient + torch.autograd.grad(penalty, weight)[0]
            gradient = gradient + 1e-4 * weight.detach()
            speed[name] = gradient if name not in speed else 0.9 * speed[name] + gradient
            weight.data -= rate * (gradient + 0.9 * speed[name])
    return measure.leave({name: weight.detach() for name, weight in weights.items()}, start)


def close(found: Tensors, expected: Tensors) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        if tensor.is_floating_point():
            gap = (found[name] - tensor).abs().max() / tensor.abs().max().clamp(min=1e-12)
            assert gap <= TOLERANCE, f'{name}: off by {gap:.1e}'


@pytest.mark.parametrize(
    ('name', 'kind', 'updates'), [('ewc', EWC, (3, 3, 2)), ('pi', PI, (4, 3, 2)), ('rw', RW, (12, 3, 2))]
)
def test_three_steps(name: str, kind: type[Measure], updates: tuple[int, int, int], tmp_path: Path) -> None:
    """Losses, gradients, start, weights after some updates, and what is left to the next step."""
    run = compose('mib_voc_15-1', name)
    step, left = run.base, {}
    for index, rate in enumerate((0.01, 0.001, 0.001)):
        if index:
            step = ComposedStep(run.cfg, (LATER, LAST)[index - 1], tmp_path / str(index), step, seed=100 * index)
            check_start(step)
        compare(step, fine_tuning(step.answer().logits, step.target))
        net, measure = copy.deepcopy(step.model.segmentor), kind(left)
        net.load_state_dict(step.model.segmentor.state_dict())
        step.learn(updates[index])
        left = train(net, step, measure, updates[index], rate)
        close(step.model.segmentor.state_dict(), net.state_dict())
        found = step.hooks[0].state()
        assert found.keys() == left.keys()
        for key in left:
            close(found[key], left[key])
        held = [parameter for parameter in left[key] if measure.stiffness(parameter) is not None]
        assert sorted(held) == sorted(step.hooks[0].stiffness)
        assert not any(f'steps.{index}.' in parameter for parameter in held), 'new rows are free'


def check_start(step: ComposedStep) -> None:
    """Old rows are those of the previous step, new ones as torch draws them: even, up to one over the root of 8."""
    for key in ('weight', 'bias'):
        rows, old = (
            step.rows(key),
            torch.cat(
                [value for name, value in step.old.state_dict().items() if '.conv_seg.' in name and name.endswith(key)]
            ),
        )
        assert torch.equal(rows[: len(old)], old)
        new = rows[len(old) :]
        assert len(new) == step.step.num_new and new.abs().min() > 0 and new.abs().max() <= 8**-0.5
