"""Operations over the channels of score maps."""

from __future__ import annotations

import torch
from torch import Tensor


def check_old_channels(student: Tensor, teacher: Tensor) -> int:
    """Returns the number of old channels, the teacher's, once the student is known to extend them.

    Args:
        student: Scores, shape ``(N, C, H, W)``.
        teacher: Scores, shape ``(N, C_old, H, W)``.

    Raises:
        ValueError: If the student has fewer channels, or another batch or spatial size.
    """
    if student.shape[1] < teacher.shape[1] or (
        student.shape[:1] + student.shape[2:] != teacher.shape[:1] + teacher.shape[2:]
    ):
        raise ValueError(
            f'the student scores {tuple(student.shape)} do not extend the teacher scores '
            f'{tuple(teacher.shape)}: batch and spatial size must agree, and the student '
            'must have at least the channels of the teacher'
        )
    return teacher.shape[1]


def merge_new_into_background(scores: Tensor, num_old: int) -> Tensor:
    """Adds the channels of new classes to the background channel.

    Args:
        scores: Scores of all classes, shape ``(N, C, H, W)``, background first.
        num_old: Number of channels to keep.

    Returns:
        Shape ``(N, num_old, H, W)``; the input itself where there is no new channel.
    """
    if scores.shape[1] == num_old:
        return scores
    background = scores[:, :1] + scores[:, num_old:].sum(1, keepdim=True)
    return torch.cat([background, scores[:, 1:num_old]], 1)


def channel_argmax(scores: Tensor, dim: int = 1) -> Tensor:
    """Returns what ``scores.argmax(dim)`` returns, in a tenth of its time on a CPU.

    PyTorch's own is not vectorised there, unless ``dim`` is the last one. Ties always go to the first channel.

    Args:
        scores: Any shape, with at least one channel along ``dim``.
        dim: A dimension counted from the front.

    Examples:
        >>> channel_argmax(torch.tensor([[1., 3., 3.]]))
        tensor([1])
    """
    if scores.device.type != 'cpu':
        return scores.argmax(dim)
    highest = scores.amax(dim, keepdim=True)
    hit = torch.eq(scores, highest, out=torch.empty(scores.shape))
    return first_hit(hit, dim)


def first_hit(hit: Tensor, dim: int) -> Tensor:
    """Returns the first channel whose entry is 1; all others are 0. Overwrites ``hit``.

    Args:
        hit: Floating point.
        dim: The dimension of the channels, counted from the front.
    """
    channels = hit.shape[dim]
    countdown = torch.arange(channels, 0, -1, dtype=hit.dtype, device=hit.device)
    hit *= countdown.view(-1, *(1,) * (hit.dim() - dim - 1))
    # Without a hit (NaN) the last channel, a valid one.
    return (channels - hit.amax(dim)).long().clamp_(max=channels - 1)
