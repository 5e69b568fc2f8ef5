"""What grows with the classes and is not simply the rows of a layer: one line of a table for each adapter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Growth:
    """How a parameter grows.

    Attributes:
        dim: The dimension that gets longer; new classes are at its end.
        zero: Whether the new part starts at zero; else it stays as the new model was initialised.
        vectors: Whether it holds a vector for each class, as the rows of a classifier do.
    """

    dim: int
    zero: bool = False
    vectors: bool = False


GROWN: dict[str, dict[str, Growth]] = {
    # Both read the scores of the classes, after all other channels. With zero weights for the new scores they treat
    # the old ones as before.
    'PointHead': {'fcs.*.conv.weight': Growth(1, zero=True), 'fc_seg.*weight': Growth(1, zero=True)},
    # A token per class, and a norm over the classes. No initialisation keeps the old outputs: every token has a
    # positive weight in the softmax of self-attention, and the norm's mean and variance are those of all classes.
    'SegmenterMaskTransformerHead': {'cls_emb': Growth(1, vectors=True), 'mask_norm.*': Growth(0)},
}
"""Patterns for the parameters by type of head; shapes alone do not tell which part is new."""


EXTRA_ROWS: dict[str, dict[str, int]] = {
    # The last row of the classes of queries is 'no object'.
    'MaskFormerHead': {'cls_embed': 1},
    'Mask2FormerHead': {'cls_embed': 1},
}
"""How many rows follow those of the classes, by type of head and layer; new rows go before them."""


def extra_rows(kind: type, layer: str) -> int:
    """Returns how many rows of a layer follow those of the classes, for a class of heads."""
    return next((EXTRA_ROWS[base.__name__].get(layer, 0) for base in kind.__mro__ if base.__name__ in EXTRA_ROWS), 0)


def growth_of(head: nn.Module, name: str) -> Growth | None:
    """Returns how a parameter of a head grows, or None if it is not in the table."""
    for kind in type(head).__mro__:
        for pattern, growth in GROWN.get(kind.__name__, {}).items():
            # 'fc_seg.*weight' means the layer's own weight and those of its groups, 'fc_seg.steps.0.weight'.
            if fnmatchcase(name, pattern):
                return growth
    return None


def without_growth(
    growth: Growth | None, before: tuple[int, ...] | None, after: tuple[int, ...] | None, more: int
) -> tuple[int, ...] | None:
    """Returns the shape for more classes, less what the table says about it.

    Args:
        growth: What the table says.
        before: The shape for C classes.
        after: The shape for ``C + more`` classes.
        more: How many classes more these are.
    """
    if growth is None or before is None or after is None or len(before) != len(after):
        return after
    dim = growth.dim
    return (*after[:dim], before[dim], *after[dim + 1 :]) if after[dim] == before[dim] + more else after


def widen_parameters(module: nn.Module, weights: dict[str, Any]) -> None:
    """Gives the weights of the previous step the size that the table's parameters have now, in place.

    Args:
        module: A segmentor with grown heads.
        weights: State of the previous step, plain or native.
    """
    own = module.state_dict()
    for path, head in module.named_modules():
        prefix = f'{path}.' if path else ''
        if not _is_listed(head):
            continue
        for key in [key for key in weights if key.startswith(prefix)]:
            growth = growth_of(head, key[len(prefix) :])
            layer, _, leaf = key.rpartition('.')
            now = own.get(key, own.get(f'{layer}.steps.0.{leaf}'))
            if growth is not None and now is not None:
                weights[key] = _widened(weights[key], now, growth)


def old_lengths(module: nn.Module, weights: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Returns what the table's parameters have from the previous step: dimension and length of the old part, by name.

    Args:
        module: A segmentor with grown heads.
        weights: Plain state of the previous step.
    """
    found: dict[str, tuple[int, int]] = {}
    for path, head in module.named_modules():
        prefix = f'{path}.' if path else ''
        for name, tensor in head.state_dict().items() if _is_listed(head) else ():
            growth = growth_of(head, name)
            old = weights.get(re.sub(r'\.steps\.\d+\.', '.', f'{prefix}{name}'))
            if growth is not None and old is not None and old.shape[growth.dim] < tensor.shape[growth.dim]:
                found[f'{prefix}{name}'] = growth.dim, old.shape[growth.dim]
    return found


def class_tokens(head: nn.Module) -> Tensor | None:
    """Returns the parameter of a head that holds a vector for each class, as a view ``(C, D)``, or None without any."""
    for name, parameter in head.named_parameters():
        growth = growth_of(head, name)
        if growth is not None and growth.vectors:
            return parameter.movedim(growth.dim, 0).flatten(1)
    return None


def padded(old: Tensor, shape: tuple[int, ...], fill: float = 0.0) -> Tensor:
    """Returns a tensor extended with ``fill`` along every dimension in which ``shape`` is longer."""
    if old.shape == shape:
        return old
    result = old.new_full(shape, fill)
    result[tuple(slice(length) for length in old.shape)] = old
    return result


def _is_listed(head: nn.Module) -> bool:
    return any(kind.__name__ in GROWN for kind in type(head).__mro__)


def _widened(old: Tensor, now: Tensor, growth: Growth) -> Tensor:
    missing = now.shape[growth.dim] - old.shape[growth.dim]
    if missing <= 0:
        return old
    if not growth.zero:
        return torch.cat([old, now.narrow(growth.dim, old.shape[growth.dim], missing).to(old)], growth.dim)
    shape = [*old.shape[: growth.dim], missing, *old.shape[growth.dim + 1 :]]
    return torch.cat([old, old.new_zeros(shape)], growth.dim)
