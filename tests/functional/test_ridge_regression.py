"""Ridge regression from sums: by hand, in steps of any order, and as the paper's recursion."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import (
    Correlations,
    correlations,
    correlations_of_rows,
    hidden_sites,
    random_features,
    random_projection,
    reveal_hidden_sites,
    ridge_regression,
    solve_ridge,
)

CLASSES, GAMMA = 6, 0.5


def data(seed: int, classes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Draws an embedding ``(3, 5, 4, 6)`` in double precision and labels of some classes."""
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(3, 5, 4, 6, generator=generator, dtype=torch.float64)
    labels = torch.tensor(classes)[torch.randint(len(classes), (3, 4, 6), generator=generator)]
    return embedding, labels


STEPS = [data(0, (0, 1, 2, 255)), data(1, (0, 3, 1)), data(2, (4, 5, 255, 0)), data(3, (2, 5))]
PROJECTION = random_projection(5, 16, seed=3)


def sums_of(embedding: Tensor, labels: Tensor, classes: int = CLASSES) -> Correlations:
    return correlations(random_features([embedding], PROJECTION), labels, classes)


def plain_ridge(steps: list[tuple[Tensor, Tensor]], classes: int = CLASSES) -> Tensor:
    """All sites at once: least squares of the features with ``sqrt(gamma) I`` below them."""
    vectors = torch.cat([embedding.permute(0, 2, 3, 1).reshape(-1, 5) for embedding, _ in steps])
    labels = torch.cat([labels.reshape(-1) for _, labels in steps])
    vectors, labels = vectors[labels != 255], labels[labels != 255]
    features = torch.einsum('pd,ed->pe', vectors, PROJECTION).clamp(min=0)
    wanted = (labels[:, None] == torch.arange(classes)).double()
    features = torch.cat([features, GAMMA**0.5 * torch.eye(16, dtype=torch.float64)])
    wanted = torch.cat([wanted, torch.zeros(16, classes, dtype=torch.float64)])
    return torch.linalg.lstsq(features, wanted).solution.T


def test_by_hand() -> None:
    """Features 1 and 2 of classes 0 and 1: W = (sum phi y) / (1 + 4 + gamma)."""
    embedding = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64).view(1, 1, 1, 3)
    features = random_features([embedding], torch.ones(1, 1, dtype=torch.float64))
    sums = correlations(features, torch.tensor([[[0, 1, 1]]]), num_classes=2)
    assert sums.auto.tolist() == [[5.0]] and sums.cross.tolist() == [[1.0], [2.0]]
    torch.testing.assert_close(solve_ridge(sums, 1.0), torch.tensor([[1 / 6], [2 / 6]], dtype=torch.float64))


@pytest.mark.parametrize('order', itertools.permutations(range(4)))
def test_steps_in_any_order_are_the_joint_regression(order: tuple[int, ...]) -> None:
    sums = None
    for index in order:
        embedding, labels = STEPS[index]
        seen = 1 + int(labels[labels != 255].max())  # a step knows of no later class
        new = sums_of(embedding, labels, seen)
        sums = new if sums is None else sums.plus(new)
    assert sums is not None
    torch.testing.assert_close(solve_ridge(sums, GAMMA), plain_ridge(STEPS), rtol=0, atol=1e-10)


def test_the_papers_recursion_gives_the_same_rows() -> None:
    """S += phi^T phi, W += S^-1 phi^T (Y - phi W), image by image from S = gamma I and W = 0."""
    total, rows = GAMMA * torch.eye(16, dtype=torch.float64), torch.zeros(16, CLASSES, dtype=torch.float64)
    for embedding, labels in STEPS:
        for image, label in zip(embedding, labels, strict=True):
            inside = label != 255
            features = (image[:, inside].T @ PROJECTION.T).clamp(min=0)
            wanted = (label[inside][:, None] == torch.arange(CLASSES)).double()
            total = total + features.T @ features
            rows = rows + torch.linalg.inv(total) @ features.T @ (wanted - features @ rows)
    found = [sums_of(*item) for item in STEPS]
    sums = found[0].plus(found[1]).plus(found[2]).plus(found[3])
    torch.testing.assert_close(solve_ridge(sums, GAMMA), rows.T, rtol=0, atol=1e-9)


def test_parts_of_a_batch_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sums_of(*STEPS[0])
    monkeypatch.setattr(ridge_regression, 'SITES', 7)
    monkeypatch.setattr(ridge_regression, 'BLOCK', 3)
    for one, other in zip(sums_of(*STEPS[0]), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_single_precision_is_added_up_in_double() -> None:
    features = random_features([STEPS[0][0].float()], PROJECTION.float())
    assert features.dtype == torch.float32
    sums = correlations(features, STEPS[0][1], CLASSES)
    assert sums.auto.dtype == sums.cross.dtype == torch.float64


def test_a_batch_without_labels_adds_nothing() -> None:
    empty = sums_of(STEPS[0][0], torch.full((3, 4, 6), 255))
    assert not empty.auto.any() and not empty.cross.any()
    assert torch.equal(empty.plus(Correlations(*empty)).auto, empty.auto)


def test_random_layer_is_fixed_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    assert torch.equal(random_projection(5, 16, seed=3), PROJECTION)
    assert not torch.equal(random_projection(5, 16, seed=4), PROJECTION)
    assert torch.equal(torch.get_rng_state(), before)
    assert PROJECTION.abs().max() <= 5**-0.5


@pytest.mark.parametrize('upsample', (1, 2))
@pytest.mark.parametrize('side', (2, 4, 9), ids=('coarser', 'as fine', 'finer'))
def test_maps_of_other_sizes_join_the_first(side: int, upsample: int) -> None:
    """Interpolating before the random layer, as written, is interpolating after it, as computed."""
    first, second = STEPS[0][0], torch.randn(3, 7, side, side, dtype=torch.float64)
    projection = random_projection(12, 16)
    joined = torch.cat([first, F.interpolate(second, (4, 6), mode='bilinear')], 1)
    finer = F.interpolate(joined, scale_factor=upsample, mode='bilinear')
    expected = torch.einsum('ed,ndhw->nehw', projection, finer).clamp(min=0)
    found = random_features([first, second], projection, upsample)
    assert found.min() >= 0
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_random_features_are_not_of_half_precision() -> None:
    maps = [STEPS[0][0].to(torch.bfloat16)]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = random_features(maps, PROJECTION.float())
    torch.testing.assert_close(found, random_features([maps[0].double()], PROJECTION).float())


def counted(*sites: tuple[int, int, int]) -> Correlations:
    """Sums of sites ``(feature, label, how many)`` whose features are unit vectors, of four classes."""
    auto, cross = torch.zeros(4, 4, dtype=torch.float64), torch.zeros(4, 4, dtype=torch.float64)
    for feature, label, count in sites:
        auto[feature, feature] += count
        cross[label, feature] += count
    return Correlations(auto, cross)


@pytest.mark.parametrize('gamma', (1e-6, 1.0))
def test_hidden_sites_by_hand(gamma: float) -> None:
    """One background site for two of its own has each class: 1, 2 with 4 hidden ones, and 3 with none."""
    found = counted((0, 0, 8), (1, 1, 2), (1, 0, 1), (2, 2, 2), (2, 0, 3 + 4), (3, 3, 2), (3, 0, 1))
    rows = solve_ridge(found, gamma)
    shares = hidden_sites(rows, found.cross, num_visible=2)
    torch.testing.assert_close(shares, torch.tensor([2.0, 0.0], dtype=torch.float64))
    known = counted((0, 0, 8), (1, 1, 2), (1, 0, 1), (2, 2, 2 + 4), (2, 0, 3), (3, 3, 2), (3, 0, 1))
    torch.testing.assert_close(reveal_hidden_sites(rows, shares), solve_ridge(known, gamma))


def test_hidden_sites_of_classes_without_sites_or_without_visible_ones() -> None:
    found = counted((0, 0, 8), (1, 1, 2), (2, 2, 2), (2, 0, 3))
    rows = solve_ridge(found)
    assert hidden_sites(rows, found.cross, num_visible=1).tolist() == pytest.approx([0, 1.5, 0])
    assert hidden_sites(rows, found.cross, num_visible=4).shape == (0,)
    assert torch.equal(reveal_hidden_sites(rows, hidden_sites(rows, found.cross, 4)), rows)
    fewer = counted((0, 0, 8), (2, 2, 2), (2, 0, 3))  # no site of the only visible class
    assert hidden_sites(solve_ridge(fewer), fewer.cross, num_visible=2).tolist() == pytest.approx([1.5, 0])


def test_revealed_sites_are_those_of_joint_regression() -> None:
    """Sites that an earlier step called background and a later one labels: as if they had had their label twice."""
    embedding, labels = STEPS[2]
    hidden = labels.where((labels != 4) & (labels != 5), 0)
    sums = sums_of(embedding, labels).plus(sums_of(embedding, hidden))
    twice = torch.ones(2, dtype=torch.float64)
    joint = plain_ridge([STEPS[2], STEPS[2]])
    torch.testing.assert_close(reveal_hidden_sites(solve_ridge(sums, GAMMA), twice), joint, rtol=0, atol=1e-10)


def test_sums_of_which_rows_are_the_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(40, 6, generator=generator, dtype=torch.float64)
    rows = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    sums = correlations_of_rows(features.T @ features, rows, gamma=0.7)
    torch.testing.assert_close(solve_ridge(sums, 0.7), rows, rtol=1e-9, atol=1e-9)
    doubled = sums.times(2.0)
    torch.testing.assert_close(solve_ridge(doubled, 1.4), rows, rtol=1e-9, atol=1e-9)
