"""Importance of parameters by PI: how much loss each one saved on its way."""

from __future__ import annotations

import torch
from torch import Tensor


def accumulate_path(path: Tensor, gradient: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Adds one iteration to the path integral of PI (ICML 2017, arXiv 1703.04200).

    Args:
        path: Integral so far.
        gradient: In the paper the gradient that the update used; in the release of MiB's authors (arXiv
            2002.00718) the one after it, that of the next update.
        before: The parameter before the update.
        after: The parameter after it.

    Returns:
        ``path + gradient * (before - after)``, the loss that the update saved; with the gradient after it, to
        first order from the other end.
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
