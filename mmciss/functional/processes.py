"""Sums over a batch that is spread over several processes.

A loss with a mean per class, a maximum per class, or a mean over the pixels that count, is not the mean of the losses
of parts of the batch. With these sums every process computes its part of the loss of the whole batch, and the average
of the gradients over processes, which DistributedDataParallel takes, is the gradient that one process would find.
"""

from __future__ import annotations

from mmengine.dist import all_reduce, get_world_size
from torch import Tensor
from torch.distributed.nn.functional import all_reduce as differentiable_all_reduce


def sum_over_processes(values: Tensor) -> Tensor:
    """Adds up the values of all processes.

    Gradients are added up too, since the values of each process enter the losses of all.

    Args:
        values: Any shape, the same on every process; not boolean.

    Returns:
        A new tensor; the input itself where there is one process.
    """
    if get_world_size() == 1:
        return values
    if values.requires_grad:
        return differentiable_all_reduce(values)
    total = values.clone()
    all_reduce(total)
    return total


def max_over_processes(values: Tensor) -> Tensor:
    """Returns the largest value over all processes, element by element, without a gradient."""
    if get_world_size() == 1:
        return values
    largest = values.detach().clone()
    all_reduce(largest, 'max')
    return largest


def mean_count(chosen: Tensor) -> Tensor:
    """Returns the number of chosen entries, averaged over the processes; the total counts as at least one.

    Each process divides the sum over its part of the batch by this; the average over processes is then the mean over
    the whole batch.

    Args:
        chosen: Boolean, any shape.
    """
    count = sum_over_processes(chosen.sum()).clamp(min=1)
    world = get_world_size()
    return count if world == 1 else count / world
