"""MaskFormer's loss of sets, from its formulas, in plain PyTorch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor


class Factors(NamedTuple):
    """Factors of the losses, which are also those of the costs, and the weight of 'no object'."""

    classes: float = 1.0
    mask: float = 20.0
    dice: float = 1.0
    nothing: float = 0.1


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss of every pixel, with exponent 2 and a quarter of the weight on the inside."""
    p = logits.sigmoid()
    inside, outside = 0.25 * (1 - p) ** 2 * F.logsigmoid(logits), 0.75 * p**2 * F.logsigmoid(-logits)
    return -(target * inside + (1 - target) * outside)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Dice loss of masks ``(..., H, W)``."""
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum((-2, -1)) + 1) / (p.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def segments(label: Tensor) -> tuple[Tensor, Tensor]:
    """Classes ``(K,)`` of an image's labels and their masks ``(K, H, W)``."""
    classes = torch.tensor([c for c in label.unique().tolist() if c != 255], dtype=torch.long)
    return classes, (label == classes[:, None, None]).to(torch.get_default_dtype())


@torch.no_grad()
def match(classes: Tensor, masks: Tensor, label: Tensor, factors: Factors) -> tuple[Tensor, Tensor]:
    """Queries and the segments they are matched with, of one image."""
    wanted, targets = segments(label)
    size = masks.shape[-2:]
    targets = F.interpolate(targets[:, None], size)[:, 0].to(masks) if len(targets) else masks[:0]
    cost = classes.new_zeros(len(masks), len(wanted))
    for q in range(len(masks)):
        for k in range(len(wanted)):
            cost[q, k] = (
                -factors.classes * classes[q].softmax(-1)[wanted[k]]
                + factors.mask * focal(masks[q], targets[k]).mean()
                + factors.dice * dice(masks[q], targets[k])
            )
    rows, columns = linear_sum_assignment(cost.numpy())
    return torch.as_tensor(rows), torch.as_tensor(columns)


def layer_loss(classes: Tensor, masks: Tensor, labels: Tensor, factors: Factors) -> dict[str, Tensor]:
    """The three losses of a decoder layer.

    Args:
        classes: Logits ``(N, Q, C + 1)``.
        masks: Logits ``(N, Q, h, w)``.
        labels: Channels or 255, ``(N, H, W)``.
        factors: Factors of the losses.
    """
    nothing = classes.shape[-1] - 1
    wanted = torch.full(classes.shape[:2], nothing)
    chosen, targets = [], []
    for index, label in enumerate(labels):
        queries, places = match(classes[index], masks[index], label, factors)
        kinds, shapes = segments(label)
        wanted[index, queries] = kinds[places]
        chosen.append(masks[index, queries])
        targets.append(shapes[places].to(masks))
    weight = torch.ones(nothing + 1).to(classes)
    weight[nothing] = factors.nothing
    loss = factors.classes * F.cross_entropy(classes.flatten(0, 1), wanted.flatten(), weight)
    matched, target = torch.cat(chosen), torch.cat(targets)
    if not len(matched):
        return dict(loss_cls=loss, loss_mask=masks.sum() * 0, loss_dice=masks.sum() * 0)
    matched = F.interpolate(matched[:, None], labels.shape[-2:], mode='bilinear', align_corners=False)[:, 0]
    return dict(
        loss_cls=loss,
        loss_mask=factors.mask * focal(matched, target).mean(),
        loss_dice=factors.dice * dice(matched, target).mean(),
    )


def set_loss(
    classes: list[Tensor], masks: list[Tensor], labels: Tensor, factors: Factors | None = None
) -> dict[str, Tensor]:
    """The losses of all decoder layers, named as in MMDetection: the last one's, and those of layer k as ``dk.``."""
    found = {}
    last = len(classes) - 1
    for index, (layer_classes, layer_masks) in enumerate(zip(classes, masks, strict=True)):
        losses = layer_loss(layer_classes, layer_masks, labels, factors or Factors())
        found.update({name if index == last else f'd{index}.{name}': value for name, value in losses.items()})
    return found
