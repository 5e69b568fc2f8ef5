"""SDR's prototype matching: the mean features of old classes stay at their prototypes."""

from __future__ import annotations

from torch import Tensor

from .channels import channel_argmax
from .labels_at import labels_at
from .prototypes import class_sums, released_pixel_means
from .upsampled_blocks import sample_upsampled


def prototype_matching(
    features: Tensor,
    labels: Tensor,
    prototypes: Tensor,
    teacher_logits: Tensor | None = None,
    num_old: int | None = None,
    compat: bool = False,
    known: Tensor | None = None,
    image_size: tuple[int, ...] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes prototype matching of SDR (CVPR 2021, arXiv 2103.06342).

    .. math:: L = \frac{1}{|K|} \sum_{c \in K} \frac{1}{D} \| \bar f_c - P_c \|_2^2

    with ``f_c`` the batch's mean feature of class c and K the old foreground classes in the batch. Where labels hide
    old classes these are where the teacher finds them in the background; where labels keep them (the sequential
    setting) they are the labels below ``num_old``.

    Args:
        features: Student features, shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``, background 0.
        prototypes: Shape ``(C, D)``; no gradient flows into them.
        teacher_logits: Teacher scores ``(N, C_old, H', W')`` of any resolution; None to take old classes from the
            labels. Its class at a feature's pixel is the one it predicts there at image size.
        num_old: Number of old channels; needed without ``teacher_logits``.
        compat: Whether to mix the dimensions of features as the release does.
        known: Which classes have a prototype, boolean, shape ``(C,)``; None for all.
        image_size: Height and width of the image; None for those of the labels.
        align_corners: How the teacher's scores are upsampled to that size.

    Returns:
        A scalar, 0 where no old class is found.

    Raises:
        ValueError: If neither ``teacher_logits`` nor ``num_old`` is given.
    """
    size = features.shape[-2:]
    small = labels_at(labels, size)
    if teacher_logits is None:
        if num_old is None:
            raise ValueError('prototype_matching needs teacher_logits or num_old')
        old = small.masked_fill(small >= num_old, 0)
    else:
        at_image = labels.shape[-2:] if image_size is None else image_size
        sampled = sample_upsampled(teacher_logits, at_image, size, align_corners)
        old = channel_argmax(sampled).masked_fill(small != 0, 0)
    gather = released_pixel_means if compat else class_sums
    found = gather(features, old, prototypes.shape[0]).over_processes()
    present = found.present.clone()
    present[0] = False
    if known is not None:
        present &= known
    distance = (found.means - prototypes.detach().to(found.sums)).square().mean(1)
    return (distance * present).sum() / present.sum().clamp(min=1)
