"""SDR and SDR + MiB: prototypes, the four terms of the latent space and MiB's losses, as in paper and release."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, Composition, compare, compose
from tests.fidelity.test_mib_family import pixel_mean_ce, unbiased_ce, unbiased_kd

METHODS = {'sdr': 'sdr_voc_15-1', 'sdr_mib': 'sdr_mib_voc_15-1'}
LAYER = 'backbone.layer4'
VOID = 255
Prototypes = tuple[Tensor, Tensor]


def small_labels(target: Tensor) -> Tensor:
    """Labels at the features' resolution, ``(N, h, w)``."""
    return F.interpolate(target[:, None].double(), (4, 4), mode='nearest')[:, 0].long()


def gathered(features: Tensor, member: Tensor, released: bool) -> Tensor:
    """Features of some pixels ``(D, n)``; the release's mask lays them out image by image, channel by channel."""
    if released:
        return features[member[:, None].expand_as(features)].view(features.shape[1], -1)
    return torch.stack([vector for image, here in zip(features, member, strict=True) for vector in image[:, here].T], 1)


def classes_of(labels: Tensor) -> list[int]:
    """Which classes are there, in ascending order."""
    return [number for number in labels.unique().tolist() if number != VOID]


def updated(known: Prototypes, features: Tensor, labels: Tensor, released: bool) -> Prototypes:
    """Running means of all but the background, or of all but the batch's first class."""
    means, counts = (item.clone() for item in known)
    present = classes_of(labels)
    for number in present[1:] if released else [item for item in present if item]:
        found = gathered(features.detach(), labels == number, released)
        means[number] = (found.sum(1) + counts[number] * means[number]) / (counts[number] + found.shape[1])
        counts[number] += found.shape[1]
    return means, counts


def matching(features: Tensor, labels: Tensor, teacher: Tensor, known: Prototypes, released: bool) -> Tensor:
    """Old classes, where the teacher finds them in the background, keep their mean."""
    seen = small_labels(teacher.argmax(1)).where(labels == 0, 0)
    terms = []
    for number in classes_of(seen):
        if number and known[1][number]:
            member = seen == number
            if released:
                mean = features[member[:, None].expand_as(features)].view(-1, features.shape[1]).mean(0)
            else:
                mean = gathered(features, member, False).mean(1)
            terms.append((mean - known[0][number]).square().mean())
    assert terms
    return sum(terms) / len(terms)


def attraction(features: Tensor, labels: Tensor, known: Prototypes, released: bool) -> Tensor:
    """Pixels come close to their class's mean; the release divides inside its loop and takes the background too."""
    present = [number for number in classes_of(labels) if number or released]
    total = features.new_zeros(())
    for number in present:
        term = (gathered(features, labels == number, released) - known[0][number][:, None]).square().mean()
        total = (total + term) / len(present) if released else total + term / len(present)
    return total


def repulsion(features: Tensor, labels: Tensor, released: bool) -> Tensor:
    """One over the distance of every two classes' means."""
    means = [gathered(features, labels == number, released).mean(1) for number in classes_of(labels)]
    pairs = [1 / (a - b).square().sum().sqrt() for i, a in enumerate(means) for j, b in enumerate(means) if i != j]
    return sum(pairs) / len(pairs)


def sparsity(features: Tensor, labels: Tensor, released: bool) -> Tensor:
    """Few channels speak at a pixel; to the release void is a class too."""
    ratios = []
    for number in classes_of(labels) + [VOID] * released:
        found = gathered(features, labels == number, False)  # a scale for each class leaves the layout alone
        share = found / (found.max() + 1e-15)
        ratios.append(share.exp().sum(0) / (share.sum(0) + 1e-15))
    return torch.cat(ratios).mean()


def sdr(step: ComposedStep, known: Prototypes, released: bool) -> Tensor:
    """The preset of the release; the prototypes take the batch in before the losses."""
    new, old = step.answer(LAYER), step.teacher()
    features, labels = new.maps[LAYER], small_labels(step.target)
    assert classes_of(labels) == [0, 1, 2, 3, 4, 5] and (labels == VOID).any() and features.sum(1).min() > 0
    known = updated(known, features, labels, released)
    return (
        unbiased_ce(new.logits, step.target, 4)
        + 100 * unbiased_kd(new.logits, old.logits)
        + 0.01 * matching(features, labels, old.logits, known, released)
        + 0.001 * attraction(features, labels, known, released)
        + 0.001 * repulsion(features, labels, released)
        + 0.001 * sparsity(features, labels, released)
    )


def base_prototypes(run: Composition, released: bool) -> Prototypes:
    """What a base step of one batch leaves: nothing is added to its loss."""
    found = run.base.answer(LAYER)
    compare(run.base, pixel_mean_ce(found.logits, run.base.target))
    width = found.maps[LAYER].shape[1]
    nothing = torch.zeros(4, width, dtype=torch.float64), torch.zeros(4, dtype=torch.long)
    means, counts = updated(nothing, found.maps[LAYER], small_labels(run.base.target), released)
    return F.pad(means, (0, 0, 0, 2)), F.pad(counts, (0, 2))


@pytest.mark.parametrize('released', [False, True])
@pytest.mark.parametrize('method', METHODS)
def test_loss_and_gradients(method: str, released: bool) -> None:
    where, form = 'losses__latent__form', 'release' if released else 'paper'
    run = compose(METHODS[method], **{f'method__{where}': form, f'method__base__{where}': form})
    assert compose(METHODS[method]).later.model.losses['latent'].form == 'release'
    known = base_prototypes(run, released)
    run.later.move()
    compare(run.later, sdr(run.later, known, released))


def test_start() -> None:
    """Random rows; with MiB the background's, and its probability shared."""
    for method, recipe in METHODS.items():
        run = compose(recipe)
        old, now = run.base.rows(), run.later.rows()
        torch.testing.assert_close(now[:4], old)
        torch.testing.assert_close(run.later.rows('bias')[1:4], run.base.rows('bias')[1:])
        shared = run.base.rows('bias')[0] - math.log(3)
        is_mib = method == 'sdr_mib'
        assert torch.allclose(now[4:], old[:1].expand_as(now[4:])) == is_mib
        assert torch.allclose(run.later.rows('bias')[[0, 4, 5]], shared) == is_mib


def test_momentum_of_the_body() -> None:
    """The release's batch norms move by 3e-4 in the body, at both steps, and by 0.1 in the head."""
    run = compose(METHODS['sdr'])
    for step in (run.base, run.later):
        found = {
            name: module.momentum
            for name, module in step.model.segmentor.named_modules()
            if isinstance(module, torch.nn.BatchNorm2d)
        }
        assert {value for name, value in found.items() if name.startswith('backbone.')} == {3e-4}
        assert {value for name, value in found.items() if name.startswith('decode_head.')} == {0.1}
