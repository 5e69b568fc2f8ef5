"""Importance of parameters by RW: loss saved per distance in Fisher's metric."""

from __future__ import annotations

import torch
from torch import Tensor


def accumulate_walk(score: Tensor, gradient: Tensor, before: Tensor, after: Tensor, fisher: Tensor) -> Tensor:
    """Adds one stretch to the score of RW (ECCV 2018, arXiv 1801.10112).

    Args:
        score: Score so far.
        gradient: Gradient at the end of the stretch.
        before: The parameter at its beginning; the release of MiB (arXiv 2002.00718) takes stretches of 10
            iterations.
        after: The parameter at its end, with which ``gradient`` was computed.
        fisher: Running Fisher information, see
            :func:`~mmciss.functional.elastic_weight_consolidation.update_fisher`; in that release without
            ``gradient``.
    """
    saved = gradient * (before - after)
    return score + saved / (0.5 * fisher * (after - before).square() + 1e-8)


def finish_walk(score: Tensor, previous: Tensor | None = None) -> Tensor:
    """Closes a step: ``relu(score)``, averaged with the score of the steps before, if any."""
    score = torch.relu(score)
    return score if previous is None else (score + previous) / 2
