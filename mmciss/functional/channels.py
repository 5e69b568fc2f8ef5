"""Old channels of a student and how its new ones fold into them."""

from __future__ import annotations

import torch
from torch import Tensor


def check_old_channels(student: Tensor, teacher: Tensor) -> int:
    """Returns the number of old channels, which is the teacher's number of channels.

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
