"""The floating-point type of the computations."""

from __future__ import annotations

import torch
from torch import Tensor


def wide_type(values: Tensor) -> torch.dtype:
    """Returns float64 for float64 and float32 for all other types."""
    return torch.promote_types(values.dtype, torch.float32)


def at_least_float32(values: Tensor) -> Tensor:
    """Returns half-precision values as float32, all others unchanged.

    Sums of exponentials and of squares leave the range of float16 and lose all digits of bfloat16, so every function of
    this package widens its inputs. float64 stays float64.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def full_precision(like: Tensor) -> torch.autocast:
    """Returns a context without autocast, which would take matrix products in half precision."""
    return torch.autocast(like.device.type, enabled=False)
