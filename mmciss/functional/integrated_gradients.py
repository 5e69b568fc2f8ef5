"""Attribution of any differentiable function to its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def integrated_gradients(
    function: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor, steps: int = 50
) -> Tensor:
    r"""Computes integrated gradients (Sundararajan et al., ICML 2017, arXiv 1703.01365).

    .. math:: A = (x - x^0) \odot \frac{1}{n} \sum_{k=1}^{n}
              \nabla f\left( x^0 + \tfrac{k - 1/2}{n} (x - x^0) \right)

    the midpoint rule, whose error falls with the square of ``n``; for linear ``f`` one step is exact.

    Args:
        function: Gives one number per image, ``(N, ...)`` to ``(N,)``, each from its image alone.
        inputs: Where to attribute, ``(N, ...)``.
        baseline: Where attribution is 0, broadcastable to ``inputs``.
        steps: Number n of gradients.

    Returns:
        Attributions, shape of ``inputs``; they add up to ``f(x) - f(x0)``.

    Raises:
        ValueError: If ``steps`` is not positive.
    """
    if steps < 1:
        raise ValueError(f'steps: {steps} is not positive')
    difference = inputs.detach() - baseline.detach()
    gradients = torch.zeros_like(difference)
    with torch.enable_grad():
        for k in range(steps):
            point = (inputs.detach() - (1 - (k + 0.5) / steps) * difference).requires_grad_(True)
            gradients += torch.autograd.grad(function(point).sum(), point)[0]
    return difference * gradients / steps
