"""MiB, LGKD on it, and the baselines of its trainer: losses, gradients and the start of new rows from the formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose

VOID, UNLABELLED = 255, 254
Loss = Callable[[ComposedStep], Tensor]


def pixel_mean_ce(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy; void counts nothing, but in the number of pixels."""
    log = torch.log_softmax(logits, 1)
    known = target != VOID
    picked = log.gather(1, target.where(known, 0).unsqueeze(1)).squeeze(1)
    return -(picked * known).sum() / target.numel()


def unbiased_ce(logits: Tensor, target: Tensor, num_old: int) -> Tensor:
    """MiB's: background and old labels mean 'any old class'."""
    p = torch.softmax(logits, 1)
    any_old = p[:, :num_old].sum(1)
    own = p.gather(1, target.where(target != VOID, 0).unsqueeze(1)).squeeze(1)
    pixel = -torch.where(target < num_old, any_old, own).log()
    return pixel[target != VOID].sum() / target.numel()


def unbiased_kd(logits: Tensor, teacher: Tensor) -> Tensor:
    """MiB's: the teacher's background is the student's background or any new class; mean over channels too."""
    num_old = teacher.shape[1]
    p, q = torch.softmax(logits, 1), torch.softmax(teacher, 1)
    total = q[:, 0] * (p[:, 0] + p[:, num_old:].sum(1)).log()
    for c in range(1, num_old):
        total = total + q[:, c] * p[:, c].log()
    return -(total / num_old).mean()


def guided_kd(logits: Tensor, teacher: Tensor, target: Tensor, prev: float = 1.0, novel: float = 1.0) -> Tensor:
    """LGKD's, at stride 16: a labelled new class takes over the teacher's background; mean over what is not void."""
    num_old, target = teacher.shape[1], target[:, ::16, ::16]
    is_new, void = (target >= num_old) & (target != VOID), target == VOID
    assert is_new.any() and void.any() and (target == 0).any() and ((target > 0) & (target < num_old)).any()
    q, log_p = torch.softmax(teacher, 1), torch.log_softmax(logits, 1)
    background = torch.where(is_new, log_p.gather(1, target.where(is_new, 0).unsqueeze(1))[:, 0], log_p[:, 0])
    total = q[:, 0] * background
    for c in range(1, num_old):
        total = total + q[:, c] * log_p[:, c]
    return -(total * torch.where(is_new, novel, prev))[~void].mean()


def restricted_kd(logits: Tensor, teacher: Tensor) -> Tensor:
    """LwF's: softmax of the student over the old channels alone; mean over channels too."""
    num_old = teacher.shape[1]
    return -(torch.softmax(teacher, 1) * torch.log_softmax(logits[:, :num_old], 1)).mean()


def binary_ce(logits: Tensor, wanted: Tensor) -> Tensor:
    """``-t log(sigmoid) - (1 - t) log(1 - sigmoid)``, element by element."""
    p = torch.sigmoid(logits)
    return -(wanted * p.log() + (1 - wanted) * (1 - p).log())


def one_hot_bce(logits: Tensor, target: Tensor) -> Tensor:
    """LwF-MC's: each channel says yes or no, sum over channels, mean over all pixels."""
    wanted = torch.nn.functional.one_hot(target.where(target != VOID, 0), logits.shape[1]).permute(0, 3, 1, 2)
    return (binary_ce(logits, wanted.to(logits)).sum(1) * (target != VOID)).sum() / target.numel()


def finetuning(step: ComposedStep) -> Tensor:
    """Fine-tuning."""
    return pixel_mean_ce(step.answer().logits, step.target)


def lwf(step: ComposedStep) -> Tensor:
    """LwF: 100 times the distillation."""
    new = step.answer().logits
    return pixel_mean_ce(new, step.target) + 100 * restricted_kd(new, step.teacher().logits)


def lwf_mc(step: ComposedStep) -> Tensor:
    """LwF-MC: 10 times the number of old channels times the mean over them."""
    new, old = step.answer().logits, step.teacher().logits
    kept = binary_ce(new[:, : old.shape[1]], torch.sigmoid(old)).mean()
    return one_hot_bce(new, step.target) + 10 * old.shape[1] * kept


def ilt(step: ComposedStep) -> Tensor:
    """ILT: LwF, and 100 times the squared difference of the backbone's last map."""
    new, old = step.answer('backbone.layer4'), step.teacher('backbone.layer4')
    body = (new.maps['backbone.layer4'] - old.maps['backbone.layer4']).square().mean()
    return pixel_mean_ce(new.logits, step.target) + 100 * restricted_kd(new.logits, old.logits) + 100 * body


def mib(step: ComposedStep) -> Tensor:
    """MiB: unbiased cross entropy, and 10 times the unbiased distillation."""
    new, old = step.answer().logits, step.teacher().logits
    return unbiased_ce(new, step.target, old.shape[1]) + 10 * unbiased_kd(new, old)


def lgkd_mib(step: ComposedStep) -> Tensor:
    """MiB with LGKD's distillation instead of its own."""
    new, old = step.answer(), step.teacher()
    return unbiased_ce(new.logits, step.target, old.small.shape[1]) + guided_kd(new.small, old.small, step.target)


def lwf_unbiased(step: ComposedStep) -> Tensor:
    """Ours: what is labelled 254 shows some old class; MiB's cross entropy, and 10 times LwF's distillation."""
    step.target[:, 8:24, :40] = UNLABELLED
    new, old = step.answer().logits, step.teacher().logits
    target = torch.where(step.target == UNLABELLED, old.argmax(1), step.target)
    return unbiased_ce(new, target, old.shape[1]) + 10 * restricted_kd(new, old)


METHODS: dict[str, Loss] = {
    'finetuning': finetuning,
    'lwf': lwf,
    'lwf_mc': lwf_mc,
    'lwf_unbiased': lwf_unbiased,
    'ilt': ilt,
    'mib': mib,
    'anchor': mib,
    'lgkd_mib': lgkd_mib,
}
BASE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {'lwf_mc': one_hot_bce}


@pytest.mark.parametrize('method', METHODS)
def test_loss_and_gradients(method: str) -> None:
    run = compose('mib_voc_15-1', method)
    compare(run.base, BASE.get(method, pixel_mean_ce)(run.base.answer().logits, run.base.target))
    run.later.move()
    compare(run.later, METHODS[method](run.later))


def test_joint() -> None:
    """One step with every class, from cross entropy."""
    run = compose('mib_voc_15-1', 'joint')
    assert run.cfg.protocol.joint
    compare(run.base, pixel_mean_ce(run.base.answer().logits, run.base.target))


@pytest.mark.parametrize('method', ['mib', 'lgkd_mib'])
def test_start_of_mib(method: str) -> None:
    """New rows are the background's; it and they share its probability, log(N + 1) off their biases."""
    run = compose('mib_voc_15-1', method)
    weight, bias, num_old = run.base.rows(), run.base.rows('bias'), 4
    shared = bias[:1] - math.log(3)
    torch.testing.assert_close(run.later.rows(), torch.cat([weight, weight[:1], weight[:1]]))
    torch.testing.assert_close(run.later.rows('bias'), torch.cat([shared, bias[1:num_old], shared, shared]))


@pytest.mark.parametrize('method', ['finetuning', 'lwf', 'lwf_mc', 'lwf_unbiased', 'ilt'])
def test_start_of_baselines(method: str) -> None:
    """Old rows stay, new ones are random."""
    run = compose('mib_voc_15-1', method)
    for key in ('weight', 'bias'):
        old, now = run.base.rows(key), run.later.rows(key)
        torch.testing.assert_close(now[:4], old)
        assert now[4:].unique().numel() == now[4:].numel()
