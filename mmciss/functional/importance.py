"""Importance of parameters by EWC, PI and RW."""

from __future__ import annotations

import torch
from torch import Tensor


def normalise_importance(importance: Tensor) -> Tensor:
    """Scales a tensor of importances to ``[0, 1]``: ``(x - min) / (max - min + 1e-8)``."""
    low, high = importance.aminmax()
    return (importance - low) / (high - low + 1e-8)


def update_fisher(fisher: Tensor, gradient: Tensor, rate: float = 0.9) -> Tensor:
    """Continues the running diagonal Fisher information of EWC (PNAS 2017, arXiv 1612.00796).

    ``rate * gradient^2 + (1 - rate) * fisher`` after every iteration, from the gradient of the task's loss alone,
    through all steps; the running form is that of RW (ECCV 2018, arXiv 1801.10112).

    Args:
        fisher: Running value; ones for new parameters.
        gradient: Gradient of the same parameter.
        rate: Weight of the newest gradient.
    """
    return rate * gradient.square() + (1 - rate) * fisher


def accumulate_path(path: Tensor, gradient: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Adds one iteration to the path integral of PI (ICML 2017, arXiv 1703.04200).

    Args:
        path: Integral so far.
        gradient: In the paper the gradient of this update; in the release of MiB (arXiv 2002.00718) that of the next.
        before: The parameter before the update.
        after: The parameter after it.

    Returns:
        ``path + gradient * (before - after)``: what the update took off the loss, to first order. Either gradient will
        do for that.
    """
    return path + gradient * (before - after)


def path_importance(path: Tensor, parameter: Tensor, anchor: Tensor, previous: Tensor | float = 0) -> Tensor:
    """Turns the path integral of a step into importance (arXiv 1703.04200).

    Args:
        path: Path integral of the step.
        parameter: The parameter at its end.
        anchor: The parameter at its beginning.
        previous: Importance from the steps before.

    Returns:
        ``relu(path / ((parameter - anchor)^2 + 1e-20)) + previous``.
    """
    return torch.relu(path / ((parameter - anchor).square() + 1e-20)) + previous


def accumulate_walk(score: Tensor, gradient: Tensor, before: Tensor, after: Tensor, fisher: Tensor) -> Tensor:
    """Adds one stretch to the score of RW (ECCV 2018, arXiv 1801.10112).

    Args:
        score: Score so far.
        gradient: Gradient at the end of the stretch.
        before: The parameter at its beginning; in the release of MiB (arXiv 2002.00718) ten iterations earlier.
        after: The parameter at its end, with which ``gradient`` was computed.
        fisher: Running Fisher information, see :func:`update_fisher`; in that release from before this update.
    """
    saved = gradient * (before - after)
    return score + saved / (0.5 * fisher * (after - before).square() + 1e-8)


def finish_walk(score: Tensor, previous: Tensor | None = None) -> Tensor:
    """Returns the score at the end of a step: ``relu(score)``, averaged with that of the steps before, if any."""
    score = torch.relu(score)
    return score if previous is None else (score + previous) / 2
