"""Exact medians of each class, to compare streaming ones with."""

from __future__ import annotations

import numpy as np
import torch


def medians(values: torch.Tensor, classes: torch.Tensor, num_classes: int, minimum: float = 0.0) -> torch.Tensor:
    """Returns the median of each class's values, at least ``minimum``, which is also that of classes without any."""
    found = [values[classes == channel].numpy() for channel in range(num_classes)]
    return torch.tensor([max(float(np.median(own)), minimum) if own.size else minimum for own in found])
