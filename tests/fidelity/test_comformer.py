"""Mask classification, composed from its recipes on a tiny head of queries: the set loss with the teacher's masks."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.fidelity.compose import ComposedStep, Composition, compare, read, samples
from tests.models.set_loss import set_loss
from tests.models.tiny_queries import query_segmentor

METHODS = {'comformer': ('comformer_voc_15-1', 'comformer_ade_100-50')}
RECIPES = METHODS['comformer']


def composed(recipe: str) -> Composition:
    """The two steps; the base step's queries are sure of something, and their masks show something."""
    cfg = copy.deepcopy(read(recipe, None))
    cfg.pop('data_preprocessor', None)
    cfg.model = query_segmentor(4)
    run = Composition(cfg, seed=0)
    head: Any = run.base.model.segmentor.decode_head
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        weight = head.cls_embed.steps[0].weight
        weight += 4 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        head.pixels.weight.mul_(20)
    return run


def said(network: Any, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Logits of classes and masks of every decoder layer."""
    labelled = samples(torch.zeros_like(inputs[:, 0], dtype=torch.long))
    for sample in labelled:
        sample.set_metainfo(dict(batch_input_shape=sample.img_shape))
    return network.decode_head.query_logits(network.backbone(inputs), labelled)


def completed(target: Tensor, classes: Tensor, masks: Tensor) -> Tensor:
    """The labels with the masks of sure queries, pixel by pixel."""
    masks = torch.nn.functional.interpolate(masks, target.shape[-2:], mode='bilinear', align_corners=False).sigmoid()
    labels = target.clone()
    for image, answers in enumerate(classes.softmax(-1)):
        sure = [q for q, row in enumerate(answers) if row.argmax() < 4 and row.max() >= 0.5]
        if not sure:
            continue
        for row, column in (target[image] == 0).nonzero().tolist():
            best = max(sure, key=lambda q: answers[q].max() * masks[image, q, row, column])
            if masks[image, best, row, column] >= 0.5:
                labels[image, row, column] = answers[best].argmax()
    return labels


def kept(student: Tensor, teacher: Tensor) -> Tensor:
    """The distillation: probabilities of classes 1 to 3, and of all else, as often as the teacher sees one of them."""
    p, old = student.softmax(-1), teacher.softmax(-1)
    found = weight = torch.zeros((), dtype=p.dtype)
    for image in range(len(p)):
        for q in range(p.shape[1]):
            mine, its = p[image, q], old[image, q]
            loss = -sum(its[c] * mine[c].log() for c in (1, 2, 3))
            loss = loss - (its[0] + its[4]) * (mine[0] + mine[4] + mine[5] + mine[6]).log()
            found, weight = found + its[1:4].sum() * loss, weight + its[1:4].sum()
    return found / weight


def reference(step: ComposedStep, target: Tensor) -> Tensor:
    """The head's own loss with these labels."""
    return sum(set_loss(*said(step.model.segmentor, step.inputs), target).values())


@pytest.mark.parametrize('recipe', RECIPES)
def test_loss(recipe: str) -> None:
    run = composed(recipe)
    compare(run.base, reference(run.base, run.base.target))
    step = run.later
    step.move()
    with torch.no_grad():
        old, masks = (layers[-1] for layers in said(step.old, step.inputs))
    target = completed(step.target, old, masks)
    assert 0 < (target != step.target).sum() < (step.target == 0).sum(), 'some background is labelled'
    new = said(step.model.segmentor, step.inputs)[0][-1]
    compare(step, reference(step, target) + kept(new, old))


@pytest.mark.parametrize('recipe', RECIPES)
def test_start(recipe: str) -> None:
    """New rows are those of a new layer, before 'no object'; the others are the old model's."""
    step = composed(recipe).later
    for leaf in ('weight', 'bias'):
        groups = [step.start[f'decode_head.cls_embed.{part}.{leaf}'] for part in ('steps.0', 'steps.1', 'rest')]
        old = step.old.decode_head.cls_embed
        assert torch.equal(groups[0], getattr(old, leaf)[:4]) and torch.equal(groups[2], getattr(old, leaf)[4:])
        assert 0 < groups[1].abs().max() <= 1 / math.sqrt(8), 'the bound of a linear layer'
