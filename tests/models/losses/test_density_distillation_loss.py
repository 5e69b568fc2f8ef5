"""CoGaMiD's distillation of densities."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.models.losses import DensityDistillationLoss
from mmciss.models.losses.density_distillation_loss import relative_densities
from mmciss.models.outputs import SegOutput
from mmciss.models.shared import MixtureSampler, PrototypeSampler
from tests.models.tiny import LATER

WIDTH = 4


def context_of(sampler: Any, seen: torch.Tensor) -> Any:
    """What the loss reads of a step."""
    return SimpleNamespace(step=LATER, shared=dict(replay=SimpleNamespace(sampler=sampler, seen_by=lambda *_: seen)))


def mixtures(known: int = 2) -> MixtureSampler:
    """Two old classes, of which ``known`` have a mixture."""
    sampler = MixtureSampler(components=2)
    sampler.prepare(LATER, WIDTH)
    generator = torch.Generator().manual_seed(0)
    for number in range(1, known + 1):
        sampler.weight[number] = 0.5
        sampler.mean[number] = torch.rand(2, WIDTH, generator=generator)
        sampler.variance[number] = 0.2
    return sampler


def outputs(change: float) -> tuple[SegOutput, SegOutput]:
    """A student and its teacher on two images of 2 x 2 sites."""
    embedding = torch.rand(2, WIDTH, 2, 2, generator=torch.Generator().manual_seed(1))
    student = (embedding + change).requires_grad_()
    return SegOutput(torch.zeros(2, 5, 2, 2), student), SegOutput(torch.zeros(2, 3, 2, 2), embedding)


def test_only_what_moves_between_the_classes_costs() -> None:
    seen = torch.tensor([[[1, 0], [2, 0]], [[0, 0], [0, 1]]])
    target = torch.zeros_like(seen)
    loss = DensityDistillationLoss(5.0)
    student, teacher = outputs(0.0)
    assert loss(student, teacher, target, context_of(mixtures(), seen)) == 0
    student, teacher = outputs(0.3)
    sampler = mixtures()
    found = loss(student, teacher, target, context_of(sampler, seen))
    used = sampler.mixtures.of(torch.tensor([1, 2]))
    new, old = (relative_densities(item.embedding, used) for item in (student, teacher))
    chosen = (seen > 0).unsqueeze(1).expand_as(new)
    torch.testing.assert_close(found, 5 * (new - old)[chosen].square().mean().float())
    found.backward()
    gradient = student.embedding.grad.movedim(1, -1)
    assert gradient[seen > 0].any() and not gradient[seen == 0].any()
    labelled = loss(student, teacher, torch.full_like(target, 3), context_of(sampler, seen))
    assert labelled == 0, 'pixels with a label are not old'


def test_without_mixtures_it_costs_nothing() -> None:
    seen = torch.ones(2, 2, 2, dtype=torch.long)
    student, teacher = outputs(0.3)
    loss = DensityDistillationLoss()
    assert loss(student, teacher, seen * 0, context_of(mixtures(0), seen)) == 0
    assert loss(student, None, seen * 0, context_of(mixtures(), seen)) == 0
    one = loss(student, teacher, seen * 0, context_of(mixtures(1), seen))
    assert one == 0, 'one class is the same share of all classes everywhere'


def test_another_sampler_is_refused() -> None:
    loss = DensityDistillationLoss()
    loss.key = 'losses.density'
    with pytest.raises(ConfigError, match=r'method\.losses\.density.*MixtureSampler in .*, found PrototypeSampler'):
        loss.prepare(context_of(PrototypeSampler(), torch.zeros(1)))
    loss.prepare(context_of(mixtures(), torch.zeros(1)))
