"""Rows of new classes for an embedding and old rows that stay: a convex problem, solved to its end."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_ITERATIONS = 100


def fit_new_rows(embedding: Tensor, labels: Tensor, old: Tensor, start: Tensor, penalty: float = 1e-4) -> Tensor:
    r"""Returns the rows and biases of new classes that minimise MiB's unbiased cross entropy while all else stays.

    With ``z = W x + b`` the scores of the new classes and ``o = log sum exp`` those of the old ones,

    .. math:: \frac{1}{P} \sum_p \log\Big(e^{o_p} + \sum_c e^{z_{pc}}\Big) - s_p +
              \frac{\lambda}{2}\, \overline{x^2}\, \|W - W_{start}\|^2

    where s is the score of the site's new class, or o at sites of old classes and background (Cermelli et al., CVPR
    2020, arXiv 2002.00718). It is convex in W and b; L-BFGS finds its minimum from a cache of sites.

    Args:
        embedding: Vectors x of sites, shape ``(P, D)``.
        labels: New classes from 0, or -1 for old ones and the background, shape ``(P,)``.
        old: ``log sum exp`` of the old classes' scores, shape ``(P,)``.
        start: Rows and, in the last column, biases from which the fit starts, shape ``(N, D + 1)``.
        penalty: Weight lambda of the distance to the start.

    Returns:
        Shape ``(N, D + 1)``.
    """
    inputs = torch.cat([embedding, embedding.new_ones(len(embedding), 1)], 1)
    weight = penalty * embedding.square().mean()
    new = (labels >= 0).nonzero()[:, 0]
    rows = start.detach().clone().requires_grad_()
    solver = torch.optim.LBFGS([rows], max_iter=MOST_ITERATIONS, history_size=20, line_search_fn='strong_wolfe')

    def loss() -> Tensor:
        solver.zero_grad()
        scores = inputs @ rows.T
        own = scores[new, labels[new]] - old[new]
        excess = torch.logaddexp(old, scores.logsumexp(1)) - old
        value = (excess.sum() - own.sum()) / len(labels) + weight / 2 * (rows - start)[:, :-1].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    return rows.detach()
