"""Distillation of how classes relate, and sharpening of predictions."""
from __future__ import annotations

import math

import torch
from torch import Tensor

from .precision import at_least_float32


def soft_relation(logits: Tensor, teacher_logits: Tensor, target: Tensor, num_old: int) -> Tensor:
    r"""Computes the soft half of GSC's semantic relation distillation (arXiv 2307.10822).

    The soft target joins the teacher's probabilities of old classes with the label of new ones:

    .. math:: q = \operatorname{softmax}\left( [\sigma(\hat z)\,;\,
              onehot(y)_{c \ge C_{old}}] \right), \\
              L = -\operatorname{mean}_{n,h,w} \frac{1}{C} \sum_c q_c \log p_c

    with ``p = softmax(logits)``. No pixel is masked: an ignored or old label has no one-hot entry.

    Certain from the abstract: soft labels carry inter-class relations from the old model. The
    formula comes from two related code bases of the same authors, which agree; the paper's
    equations could not be checked.

    Args:
        logits: Scores of all classes, shape ``(N, C, H, W)``.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        target: Channels, or any label outside the new channels, shape ``(N, H, W)``.
        num_old: Number of old channels, background included.

    Returns:
        A scalar.
    """
    logits = at_least_float32(logits)
    num_classes = logits.shape[1]
    q_old = torch.sigmoid(at_least_float32(teacher_logits)).exp()  # not yet normalised
    is_new = (target >= num_old) & (target < num_classes)
    # exp(0) for each new channel, exp(1) for the labelled one: no one-hot tensor.
    bonus = is_new * (math.e - 1)
    norm = q_old.sum(1) + (num_classes - num_old) + bonus
    own = logits.gather(1, target.masked_fill(~is_new, 0).unsqueeze(1)).squeeze(1)
    matched = (q_old * logits[:, :num_old]).sum(1) + logits[:, num_old:].sum(1) + bonus * own
    return (torch.logsumexp(logits, 1) - matched / norm).mean() / num_classes


def sharp_relation(logits: Tensor) -> Tensor:
    r"""Computes the sharp half of GSC's semantic relation distillation (arXiv 2307.10822).

    .. math:: L = -\operatorname{mean}_{n,h,w} \frac{1}{C} \sum_c p_c \log p_c

    the entropy of the prediction over the number of classes. Its source is that of
    :func:`soft_relation`.

    Args:
        logits: Scores, shape ``(N, C, H, W)``.

    Returns:
        A scalar.
    """
    log_p = torch.log_softmax(at_least_float32(logits), 1)
    return -(log_p.exp() * log_p).mean()
