"""Ridge regression on random features, from sums over steps, batches and processes (SegACIL, arXiv 2412.10834)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import full_precision

SITES = 2048
"""How many sites are added at a time, which bounds the memory."""

BLOCK = 256
"""Side of the blocks in which a CPU adds up the upper half of ``phi^T phi``."""


class Correlations(NamedTuple):
    """What a ridge regression needs of its data.

    Attributes:
        auto: Sum of ``phi^T phi``, shape ``(E, E)``, float64.
        cross: Sum of ``phi^T y``, one row per class, shape ``(C, E)``, float64.
    """

    auto: Tensor
    cross: Tensor

    def plus(self, other: Correlations) -> Correlations:
        """Returns the sums over the data of both; the one with fewer classes saw no site of the others."""
        classes = max(len(self.cross), len(other.cross))
        first, second = (F.pad(item.cross, (0, 0, 0, classes - len(item.cross))) for item in (self, other))
        return Correlations(self.auto + other.auto, first + second)

    def times(self, factor: float) -> Correlations:
        """Returns the sums over data in which every site counts ``factor`` times."""
        return Correlations(factor * self.auto, factor * self.cross)

    def shrunk(self, share: float) -> Correlations:
        """Returns the sums with a share of what features add to a squared norm on average, for every feature alike."""
        return Correlations(
            self.auto + share * self.auto.diagonal().mean() * torch.eye(len(self.auto)).to(self.auto), self.cross
        )


def random_projection(in_channels: int, width: int, seed: int = 0) -> Tensor:
    """Draws the fixed random layer ``(width, in_channels)``, uniform within ``1 / sqrt(in_channels)``, as torch does.

    The same seed gives the same layer on every machine, and global generators stay as they are.
    """
    generator = torch.Generator().manual_seed(seed)
    bound = in_channels**-0.5
    return torch.empty(width, in_channels, dtype=torch.float64).uniform_(-bound, bound, generator=generator)


def random_features(maps: Sequence[Tensor], projection: Tensor, upsample: int = 1) -> Tensor:
    """Returns ``phi = relu(R f)`` of maps that are joined at the size of the first, shape ``(N, E, u * h, u * w)``.

    A random layer and a bilinear interpolation can change places. So every map goes through its part of the layer where
    it has fewer sites, which is the same but for rounding.

    Args:
        maps: Shapes ``(N, D_i, h_i, w_i)``.
        projection: The random layer R, shape ``(E, D)`` with the sum D of all channels.
        upsample: How many times finer than the first map the features are, u.
    """
    size = maps[0].shape[-2:]
    total = None
    with full_precision(projection):
        for item, part in zip(maps, projection.split([item.shape[1] for item in maps], 1), strict=True):
            item = item.to(projection)
            if item.shape[-2:].numel() > size.numel():
                item = _resized(item, size)
            item = _resized(F.conv2d(item, part[..., None, None]), size)
            total = item if total is None else total + item
        assert total is not None, 'the embedding is among the maps'
        return F.relu(_resized(total, (upsample * size[0], upsample * size[1])), inplace=True)


def _resized(item: Tensor, size: Sequence[int]) -> Tensor:
    same = tuple(item.shape[-2:]) == tuple(size)
    return item if same else F.interpolate(item, tuple(size), mode='bilinear', align_corners=False)


def correlations(
    features: Tensor, labels: Tensor, num_classes: int, weights: Sequence[float] | None = None
) -> Correlations:
    """Adds up the correlations of random features and one-hot labels, in double precision.

    Args:
        features: Shape ``(N, E, h, w)``.
        labels: Classes of the sites, shape ``(N, h, w)``; a site whose label is no class, such as 255, is left out.
        num_classes: Number C of classes.
        weights: How much a site of each class counts, C numbers of at least 0; None for 1 each.
    """
    inside = (labels >= 0) & (labels < num_classes)
    width = features.shape[1]
    auto, cross = (features.new_zeros(rows, width, dtype=torch.float64) for rows in (width, num_classes))
    # Half of a symmetric product is enough; a GPU is faster with the whole of it.
    block = BLOCK if features.device.type == 'cpu' else width
    roots = auto.new_tensor([1.0] * num_classes if weights is None else weights).sqrt()
    for image, row, column in zip(*(part.split(SITES) for part in inside.nonzero(as_tuple=True)), strict=True):
        # Features are of single precision; sums over millions of sites need double.
        found = labels[image, row, column].long()
        sites = features[image, :, row, column].double() * roots[found][:, None]
        for first in range(0, width, block):
            auto[first : first + block, first:].addmm_(sites[:, first : first + block].T, sites[:, first:])
        cross.addmm_(F.one_hot(found, num_classes).to(sites).mul(roots).T, sites)
    return Correlations(auto.triu() + auto.triu(1).T, cross)


def solve_ridge(sums: Correlations, gamma: float = 1.0) -> Tensor:
    r"""Returns the rows of the ridge regression.

    .. math:: W = \Big(\sum \phi^\top \phi + \gamma I\Big)^{-1} \sum \phi^\top y

    The recursive updates of the paper give the same W; here the sums are kept and solved once.

    Args:
        sums: The sums over all data.
        gamma: Weight of the rows' squared norm.

    Returns:
        One row per class, shape ``(C, E)``, float64.
    """
    regular = sums.auto + gamma * torch.eye(len(sums.auto)).to(sums.auto)
    return torch.cholesky_solve(sums.cross.T, torch.linalg.cholesky(regular)).T.contiguous()


def correlations_of_rows(auto: Tensor, rows: Tensor, gamma: float = 1.0) -> Correlations:
    """Returns the sums with such labels that :func:`solve_ridge` finds these rows, ``(C, E)``."""
    auto = auto.double()
    rows = rows.to(auto)
    return Correlations(auto, rows @ auto + gamma * rows)


def hidden_sites(rows: Tensor, cross: Tensor, num_visible: int) -> Tensor:
    r"""Estimates how many sites of later classes were labelled as background, per labelled one.

    Let ``G_ab`` be the score of class b summed over the labelled sites of class a. A class c with rho hidden sites per
    labelled one, which look like these, has lent the background ``rho G_cc`` of its score at its own sites. What the
    background keeps without them is taken to be the share kappa that it has at sites of classes that it never hid:

    .. math:: G_{c0} - \sum_d \rho_d\, G_{cd} = \kappa\, (1 + \rho_c)\, G_{cc}, \qquad
              \kappa = \operatorname{median}_{k\ \text{visible}}\, G_{k0} / G_{kk}

    Args:
        rows: Rows of all classes from :func:`solve_ridge`, the background's first, shape ``(C, E)``.
        cross: The sums that they were solved from, shape ``(C, E)``.
        num_visible: How many of the first classes, the background counted, were labelled from the first step on.

    Returns:
        rho >= 0 of the other classes, shape ``(C - num_visible,)``; 0 for a class without a site.
    """
    scores = cross @ rows.T
    own, background = scores.diagonal(), scores[:, 0]
    known = own > 0
    visible = known[1:num_visible]
    shares = background[1:num_visible][visible] / own[1:num_visible][visible]
    kappa = shares.median().clamp(min=0) if len(shares) else own.new_zeros(())
    found = own.new_zeros(len(cross))
    later = known.clone()
    later[:num_visible] = False
    matrix = scores[later][:, later] + kappa * own[later].diag()
    found[later] = torch.linalg.solve(matrix, background[later] - kappa * own[later]).clamp(min=0)
    return found[num_visible:]


def reveal_hidden_sites(rows: Tensor, shares: Tensor) -> Tensor:
    """Returns the rows that the ridge regression has once hidden sites count for their own class.

    Labels do not enter the correlation of features, and rows are linear in the sums of the classes. So the later
    classes' rows grow by their share, which the background's row loses.

    Args:
        rows: Rows of all classes, the background's first, shape ``(C, E)``.
        shares: Hidden sites per labelled one of the last classes, from :func:`hidden_sites`, shape ``(L,)``.
    """
    first, middle, later = rows.split([1, len(rows) - 1 - len(shares), len(shares)])
    gained = shares[:, None] * later
    return torch.cat([first - gained.sum(0), middle, later + gained])
