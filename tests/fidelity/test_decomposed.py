"""DKD and DKD-M, composed from their recipes: every class says yes or no, and both sides of it are distilled."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose

METHODS = {'dkd': ('dkd_voc_15-1', 'dkd_ade_100-50'), 'dkd_m': ('dkd_m_voc_15-1', 'dkd_m_ade_100-50')}
RECIPES = [recipe for recipes in METHODS.values() for recipe in recipes]
PREFIX = 'decode_head.conv_seg'
VOID = 255


def cross_entropy(score: Tensor, answer: Tensor, weight: float = 1.0) -> Tensor:
    """What each pixel costs that should be answered by ``answer``, between 0 and 1."""
    return -weight * answer * F.logsigmoid(score) - (1 - answer) * F.logsigmoid(-score)


def new_classes(scores: Tensor, target: Tensor, classes: range, weight: float, void: bool) -> Tensor:
    """The mean over all pixels, summed over the new classes; void is a negative example, or costs nothing."""
    total = scores.new_zeros(())
    for number in classes:
        cost = cross_entropy(scores[:, number], (target == number).double(), weight)
        total = total + (cost if void else cost * (target != VOID)).sum() / target.numel()
    return total


def auxiliary(step: ComposedStep, embedding: Tensor) -> Tensor:
    """The auxiliary classifier's answer is no, everywhere; the embedding does not learn from it."""
    rows = dict(step.model.segmentor.named_parameters())
    small = F.conv2d(embedding.detach(), *(rows[f'{PREFIX}.auxiliary.{leaf}'] for leaf in ('weight', 'bias')))
    score = F.interpolate(small, step.target.shape[-2:], mode='bilinear', align_corners=False)
    return cross_entropy(score, torch.zeros_like(score)).mean()


def kept(scores: Tensor, before: Tensor) -> Tensor:
    """The old model's probabilities are the answers: means over pixels, summed over classes."""
    return cross_entropy(scores, before.sigmoid()).mean((0, 2, 3)).sum()


def old_rows(step: ComposedStep) -> Tensor:
    return dict(step.model.segmentor.named_parameters())[f'{PREFIX}.steps.0.weight'][1:]


@pytest.mark.parametrize(('recipe', 'void'), [*((recipe, True) for recipe in RECIPES), ('dkd_voc_15-1', False)])
def test_loss(recipe: str, void: bool) -> None:
    options = (
        {} if void else dict(method__main_loss__void_is_negative=False, method__base__main_loss__void_is_negative=False)
    )
    run = compose(recipe, **options)
    first, later = (35.0, 35.0) if '_ade_' in recipe else (2.0, 1.0)
    answer = run.base.answer()
    compare(
        run.base,
        new_classes(answer.logits, run.base.target, range(1, 4), first, void) + auxiliary(run.base, answer.embedding),
    )

    step = run.later
    step.move()
    new, old = step.answer(), step.teacher()
    assert new.embedding.min() == 0 < new.embedding.max(), 'an activation ends the head'
    parts = []
    for sign in (1, -1):  # what speaks for each old class, and what against it, without the bias
        mine, theirs = (
            sign * (sign * weight).clamp(min=0)
            for weight in (old_rows(step), step.old.state_dict()[f'{PREFIX}.steps.0.weight'][1:])
        )
        parts.append(kept(F.conv2d(new.embedding, mine), F.conv2d(old.embedding, theirs)))
    total = new_classes(new.logits, step.target, range(4, 6), later, void) + auxiliary(step, new.embedding)
    compare(step, total + 5 * kept(new.logits[:, 1:4], old.logits[:, 1:]) + 5 * parts[0] + 5 * parts[1])


@pytest.mark.parametrize('recipe', RECIPES)
def test_start_and_groups(recipe: str) -> None:
    """New rows are the auxiliary one; norms and dropout rest later; backbone, head and rows learn as released."""
    run = compose(recipe)
    for leaf in ('weight', 'bias'):
        row = run.base.start[f'{PREFIX}.auxiliary.{leaf}']
        assert torch.equal(run.later.start[f'{PREFIX}.steps.1.{leaf}'], row.expand(2, *row.shape[1:]))
        assert torch.equal(run.later.start[f'{PREFIX}.auxiliary.{leaf}'], row)
    step = run.later
    assert not any(
        module.training
        for module in step.model.segmentor.modules()
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout)
    )
    assert not any('.bn' in name for name in step.parameters())
    rate = 2.5e-3 if '_ade_' in recipe else 1e-3
    names = {id(value): name for name, value in step.parameters().items()}
    for group in step.runner.optim_wrapper.optimizer.param_groups:
        for name in (names[id(parameter)] for parameter in group['params'] if id(parameter) in names):
            assert group['lr'] == pytest.approx(rate * (0.1 if name.startswith('backbone') else 1)), name
            assert group['weight_decay'] == (1e-4 if '.steps.1.' in name else 0), name


def test_base_step_has_dropout_behind_the_projection() -> None:
    """A tenth of its values is taken out while the base step trains, and the rest is larger for it."""
    run = compose('dkd_voc_15-1', network={'decode_head.dropout_ratio': 0.1})
    assert run.base.cfg.model.segmentor.decode_head.dropout_ratio == 0.1
    names = ('decode_head.bottleneck', 'decode_head.last_conv.conv:input')
    maps = run.base.answer(*names).maps
    before, after = (maps[name] for name in names)
    taken = (after == 0) & (before != 0)
    assert 0.05 < taken.sum() / (before != 0).sum() < 0.15
    torch.testing.assert_close(after[~taken], before[~taken] / 0.9)
    maps = run.later.answer(*names).maps
    torch.testing.assert_close(maps[names[0]], maps[names[1]])


@pytest.mark.parametrize('recipe', RECIPES)
def test_recipes_have_that_dropout(recipe: str) -> None:
    from mmengine.config import Config

    from tests.paths import ROOT

    head = Config.fromfile(ROOT / f'configs/recipes/{recipe}.py').model.decode_head
    assert (head.type, head.dropout_ratio, head.get('last_conv', True)) == ('ProjectedASPPHead', 0.1, True)
