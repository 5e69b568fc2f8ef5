"""Adding up what the ranks found."""

from __future__ import annotations

import torch
from mmengine.dist import all_gather_object, all_reduce
from torch import Tensor


def sum_over_ranks(total: Tensor | None) -> Tensor | None:
    """Returns the sum of all ranks' tensors; None stands for zeros, on a rank that saw no image.

    A step may have fewer images than there are ranks, and such a rank does not know the shape.

    Args:
        total: This rank's sum; the others' have the same shape, or are None.

    Returns:
        The sum, or None if it is None everywhere.
    """
    known = [
        item
        for item in all_gather_object(None if total is None else (tuple(total.shape), total.dtype))
        if item is not None
    ]
    if not known:
        return None
    shape, dtype = known[0]
    total = torch.zeros(shape, dtype=dtype) if total is None else total.clone()
    all_reduce(total)
    return total
