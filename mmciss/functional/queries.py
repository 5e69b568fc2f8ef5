"""Pseudo labels and distillation from a teacher that classifies queries."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor

from .numerics import at_least_float32
from .processes import sum_over_processes


def mask_pseudo_labels(target: Tensor, classes: Tensor, masks: Tensor, threshold: float = 0.5) -> Tensor:
    r"""Adds the masks of the teacher's confident queries to the background of the labels.

    MaskFormer's inference for segments (NeurIPS 2021, arXiv 2107.06278, section 3.4): :math:`c_q` is the most probable
    answer of a query, :math:`p_q` its probability and :math:`m_q` its mask. A pixel belongs to
    :math:`\arg\max_q p_q \, m_q(x)`, of the queries with :math:`p_q` no less than the threshold and :math:`c_q` not 'no
    object'. Where the label is background, it becomes that query's :math:`c_q`, unless :math:`m_q(x) < 1/2`.

    Args:
        target: Channels or the label of ignored pixels, shape ``(N, H, W)``; channel 0 is the background.
        classes: The teacher's logits of queries, shape ``(N, Q, C_old + 1)``, 'no object' last.
        masks: The teacher's logits of masks, shape ``(N, Q, h, w)``; upsampled bilinearly.
        threshold: Smallest accepted :math:`p_q`.

    Returns:
        New labels, shape ``(N, H, W)``.
    """
    probabilities, answers = at_least_float32(classes).softmax(-1).max(-1)
    accepted = (probabilities >= threshold) & (answers < classes.shape[-1] - 1)
    labels = []
    for label, keep, p, c, mask in zip(target, accepted, probabilities, answers, masks, strict=True):
        if keep.any():  # image by image, since few queries of each are kept
            m = F.interpolate(at_least_float32(mask[keep])[None], label.shape, mode='bilinear')[0].sigmoid()
            winner = (p[keep, None, None] * m).argmax(0, keepdim=True)
            inside = (label == 0) & (m.gather(0, winner)[0] >= 0.5)
            label = torch.where(inside, c[keep][winner[0]].to(label), label)
        labels.append(label)
    return torch.stack(labels)


def query_distillation(classes: Tensor, teacher_classes: Tensor, background: bool = True, focus: float = 1.0) -> Tensor:
    r"""Compares what student and teacher say of each query, where the teacher sees an old class.

    What is new now was, to the teacher, the background or no object. So with the softmax :math:`p` of the student and
    :math:`\hat p` of the teacher, both are compared over the old classes :math:`K` without the background and 'none of
    these',

    .. math:: p_q(\text{none}) = 1 - \sum_{c \in K} p_q(c), \qquad w_q = (1 - \hat p_q(\text{none}))^\gamma,

    .. math:: L = -\frac{\sum_q w_q \sum_{c \in K \cup \text{none}} \hat p_q(c) \log p_q(c)}{\sum_q w_q}

    which is MiB's distillation (arXiv 2002.00718, equation 8) of queries. The sums are over all processes. Queries of
    both models have the same places, since the student starts from the teacher.

    Args:
        classes: Logits of the student's queries, shape ``(N, Q, C + 1)``, old channels first, 'no object' last.
        teacher_classes: The teacher's, shape ``(N, Q, C_old + 1)``.
        background: Whether channel 0 is the background.
        focus: The exponent :math:`\gamma`; 0 weighs all queries alike.

    Returns:
        A scalar; 0 if the teacher sees nothing.
    """
    num_old, first = teacher_classes.shape[-1] - 1, int(background)
    new, old = at_least_float32(classes).log_softmax(-1), at_least_float32(teacher_classes).log_softmax(-1)

    def merged(scores: Tensor) -> Tensor:
        none = torch.cat([scores[..., :first], scores[..., num_old:]], -1).logsumexp(-1, keepdim=True)
        return torch.cat([scores[..., first:num_old], none], -1)

    wanted = merged(old).exp()
    weight = (1 - wanted[..., -1]).clamp_min(0) ** focus
    loss = -(wanted * merged(new)).sum(-1)
    total = sum_over_processes(weight.sum()) / get_world_size()
    return (weight * loss).sum() / total.clamp_min(torch.finfo(loss.dtype).tiny)
