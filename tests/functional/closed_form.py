"""The closed-form inputs on which the reference implementations were run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

RTOL = 2e-5
"""Relative tolerance of the golden values."""


def wave(shape: Sequence[int], a: float, b: float, s: float = 3.0) -> Tensor:
    """``s * sin(a * k + b)`` over the flat row-major index k, made in float64, kept in float32."""
    k = np.arange(np.prod(shape), dtype=np.float64)
    return torch.from_numpy((s * np.sin(a * k + b)).astype(np.float32).reshape(shape))


def stripes(shape: Sequence[int], modulus: int) -> Tensor:
    """Labels in runs of five pixels, ``floor(k / 5) mod modulus``."""
    return (torch.arange(int(np.prod(shape))) // 5 % modulus).reshape(shape)


def logits() -> Tensor:
    """Student logits: two images, 4 old and 2 new channels."""
    return wave((2, 6, 8, 8), 0.37, 0.1)


def teacher_logits() -> Tensor:
    """Teacher logits of the 4 old channels."""
    return wave((2, 4, 8, 8), 0.53, 0.7)


def labels() -> Tensor:
    """Labels of all six channels, four pixels ignored."""
    target = stripes((2, 8, 8), 6)
    target[0, 0, :4] = 255
    return target


def near(value: Tensor | float, golden: float, rtol: float = RTOL) -> bool:
    """Whether a value reproduces a golden one."""
    return abs(float(torch.as_tensor(value).detach()) - golden) <= rtol * abs(golden)


def check_gradient(function, *inputs: Tensor) -> bool:
    """Compares the gradient for the first input with finite differences, in float64."""
    first = inputs[0].detach().double().requires_grad_(True)
    rest = [x.double() if torch.is_tensor(x) and x.is_floating_point() else x for x in inputs[1:]]
    return torch.autograd.gradcheck(lambda x: function(x, *rest), (first,), eps=1e-6, atol=1e-7)
