"""Distillation of feature maps: ILT's mean square, and what Local POD and pooled cubes share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .channels import merge_new_into_background
from .precision import at_least_float32


def feature_distillation(features: Tensor, teacher_features: Tensor) -> Tensor:
    """Computes the feature distillation of ILT (ICCVW 2019, arXiv 1907.13372).

    The mean runs over all elements: images, channels and positions.

    Args:
        features: Student map, shape ``(N, D, H, W)``.
        teacher_features: Teacher map of the same shape.

    Returns:
        A scalar.

    Raises:
        ValueError: If the shapes differ, which broadcasting would hide.
    """
    if features.shape != teacher_features.shape:
        raise ValueError(
            f'student features {tuple(features.shape)} and teacher features '
            f'{tuple(teacher_features.shape)} differ in shape'
        )
    return F.mse_loss(at_least_float32(features), at_least_float32(teacher_features))


def adaptive_factor(num_old: int, num_seen: int) -> float:
    """Returns ``sqrt(C / N)`` for C channels of which N are new, or 1 where none is new."""
    num_new = num_seen - num_old
    return math.sqrt(num_seen / num_new) if num_new else 1.0


def squared_difference(teacher: Tensor, student: Tensor) -> Tensor:
    """Returns ``teacher^2 - student^2``, shape ``(N, D, H, W)``.

    If the student has more channels than the teacher, the maps are logits, and the new channels are first added to the
    background.

    Raises:
        ValueError: If batch or spatial sizes differ, or the student has fewer channels.
    """
    if student.shape[1] > teacher.shape[1]:
        student = merge_new_into_background(at_least_float32(student), teacher.shape[1])
    if student.shape != teacher.shape:
        raise ValueError(f'student map {tuple(student.shape)} and teacher map {tuple(teacher.shape)} differ in shape')
    return _SquaredDifference.apply(teacher, student)


class _SquaredDifference(torch.autograd.Function):
    """Saves the student's map only, in its own precision; autograd would save a float32 copy of half-precision maps."""

    @staticmethod
    def forward(ctx: Any, teacher: Tensor, student: Tensor) -> Tensor:
        ctx.save_for_backward(student)
        # Widened before squaring: a square leaves the range of float16 from 256 on. Both squares are rounded alike, so
        # equal maps differ by exactly 0; a fused multiply-add leaves noise, and its norm a gradient of full length.
        student, teacher = at_least_float32(student), at_least_float32(teacher)
        return (teacher * teacher).sub_(student * student)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, Tensor]:
        (student,) = ctx.saved_tensors
        return None, (upstream * at_least_float32(student)).mul_(-2).to(student.dtype)


def weighted_mean_over_maps(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    factors: Sequence[float],
    distance: Callable[[Tensor], Tensor],
    num_old: int,
    num_seen: int,
) -> Tensor:
    """Averages ``factor * sqrt(C / N) * mean_n distance(teacher^2 - student^2)`` over maps.

    Args:
        student: Maps ``(N, D_l, H_l, W_l)``.
        teacher: Maps of the same shapes; logits may have fewer channels.
        factors: Weight of each map. A map of weight 0 is not computed, but counts in the average.
        distance: Maps the difference of squares to a distance for each image, ``(N,)``.
        num_old: Number of old channels, background included.
        num_seen: Number of all channels.

    Raises:
        ValueError: If the lists differ in length, or are empty.
    """
    if not len(student) == len(teacher) == len(factors) or not factors:
        raise ValueError(
            f'{len(student)} student maps, {len(teacher)} teacher maps and '
            f'{len(factors)} factors: one factor and one pair is needed per map'
        )
    total = at_least_float32(student[-1]).new_zeros(())
    for new, old, factor in zip(student, teacher, factors, strict=True):
        if factor > 0:
            total = total + factor * distance(squared_difference(old, new)).mean()
    return total * adaptive_factor(num_old, num_seen) / len(factors)
