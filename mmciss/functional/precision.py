"""Which floating-point type the mathematics is done in."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Returns half-precision values as float32, all others unchanged.

    Sums of exponentials and of squares leave the range of float16 and lose all digits of bfloat16,
    so every function of this package starts here. float64 stays float64.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
