"""Rows of new classes: fitted beside old ones that stay (MiB's losses), or transformations of the old ones (NeST)."""

from __future__ import annotations

import torch
from torch import Tensor

from .numerics import at_least_float32

MOST_ITERATIONS = 100


def fit_new_rows(
    embedding: Tensor,
    labels: Tensor,
    old: Tensor,
    background: Tensor,
    start: Tensor,
    distillation: float = 0.0,
    penalty: float = 1e-4,
) -> Tensor:
    r"""Returns the rows and biases of new classes that minimise MiB's losses while all else stays.

    With ``z = W x + b`` the scores of the new classes, ``o = log sum exp`` those of the old ones and ``o_0`` that of
    the background,

    .. math:: \frac{1}{P} \sum_p \Big[ e_p - s_p + o_p + \mu \Big( e_p -
              q_p \log\big(1 + e^{-o_{p0}} \sum_c e^{z_{pc}}\big) \Big) \Big] +
              \frac{\lambda}{2}\, \overline{x^2}\, \|W - W_{start}\|^2

    where :math:`e = \log(e^o + \sum_c e^{z_c}) - o` and s is the score of the site's new class, or o at sites of old
    classes and background: the unbiased cross entropy (Cermelli et al., CVPR 2020, arXiv 2002.00718, eq. 4), which is
    convex in W and b. The part with :math:`\mu` is the unbiased distillation (eq. 8) to the old scores, in which the
    old model's share of the background, :math:`q = e^{o_0 - o}`, is all that new classes may take; without it a new
    class may win everything that the new images do not show. L-BFGS finds the minimum from a cache of sites.

    Args:
        embedding: Vectors x of sites, shape ``(P, D)``.
        labels: New classes from 0, or -1 for old ones and the background, shape ``(P,)``.
        old: ``log sum exp`` of the old classes' scores, shape ``(P,)``.
        background: Score of the background, shape ``(P,)``.
        start: Rows and, in the last column, biases from which the fit starts, shape ``(N, D + 1)``.
        distillation: Weight mu; MiB's is its factor divided by the number of old classes.
        penalty: Weight lambda of the distance to the start.

    Returns:
        Shape ``(N, D + 1)``.
    """
    inputs = torch.cat([embedding, embedding.new_ones(len(embedding), 1)], 1)
    weight = penalty * embedding.square().mean()
    new = (labels >= 0).nonzero()[:, 0]
    share = (background - old).exp()
    rows = start.detach().clone().requires_grad_()
    solver = torch.optim.LBFGS([rows], max_iter=MOST_ITERATIONS, history_size=20, line_search_fn='strong_wolfe')

    def loss() -> Tensor:
        solver.zero_grad()
        scores = inputs @ rows.T
        own = scores[new, labels[new]] - old[new]
        total = scores.logsumexp(1)
        excess = torch.logaddexp(old, total) - old
        taken = torch.logaddexp(background, total) - background
        losses = excess.sum() - own.sum() + distillation * (excess - share * taken).sum()
        value = losses / len(labels) + weight / 2 * (rows - start)[:, :-1].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    return rows.detach()


def positive_contributions(
    embedding: Tensor, probabilities: Tensor, labels: Tensor, weight: Tensor, classes: range
) -> tuple[Tensor, Tensor]:
    r"""Sums up which weights of old classes speak for them where a new class is labelled.

    NeST (ECCV 2024, arXiv 2407.14142). For a new class i, old class k and channel d, over the sites x of class i:

    .. math:: B_i[k, d] = \sum_x \hat p_k(x)\, [\hat f_d(x)\, w_{kd} > 0]

    Args:
        embedding: The old model's, one row per site, shape ``(P, D)``.
        probabilities: Its softmax, shape ``(P, C_old)``.
        labels: Channels, shape ``(P,)``.
        weight: Its classifier's rows, shape ``(C_old, D)``.
        classes: Channels of the n new classes.

    Returns:
        The sums ``(n, C_old, D)`` and the number of sites of each class ``(n,)``, in double precision. The means are
        their quotients.
    """
    sums = weight.new_zeros(len(classes), *weight.shape, dtype=torch.float64)
    counts = torch.zeros(len(classes), dtype=torch.float64, device=weight.device)
    positive, negative = (weight > 0).double(), (weight < 0).double()
    for index, channel in enumerate(classes):
        of_class = labels == channel
        counts[index] = of_class.sum()
        features, shares = embedding[of_class], probabilities[of_class].double().T
        # A product is positive where both factors are positive, or both negative.
        sums[index] = positive * (shares @ (features > 0).double()) + negative * (shares @ (features < 0).double())
    return sums, counts


def transformed_rows(weight: Tensor, transformation: Tensor, shares: Tensor) -> Tensor:
    r"""Computes :math:`w_i = \sum_k q_{ik} (A_i[k] \odot w_k)` (NeST).

    Args:
        weight: Old rows ``w``, shape ``(C_old, D)``.
        transformation: ``A``, shape ``(n, C_old, D)``.
        shares: ``q``, shape ``(n, C_old)``.

    Returns:
        New rows, shape ``(n, D)``.

    Examples:
        >>> old = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> transformed_rows(old, torch.ones(1, 2, 2), torch.tensor([[0.0, 1.0]]))
        tensor([[3., 4.]])
    """
    return torch.einsum('nk,nkd,kd->nd', shares, transformation, weight)


def with_mean_norm(rows: Tensor, reference: Tensor) -> Tensor:
    """Scales rows ``(n, D)`` by one factor, so that their mean norm is that of the rows ``reference (m, D)``.

    Scalars are rows of one channel: biases ``(n, 1)`` get the mean absolute value of the others.
    """
    rows, reference = at_least_float32(rows), at_least_float32(reference)
    norm = rows.norm(dim=1).mean()
    return rows * (reference.norm(dim=1).mean() / norm) if norm > 0 else rows
