"""Finding the layers of a head that depend on the number of classes, by comparing two that differ in it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.grown_parameters import extra_rows, growth_of, without_growth
from mmciss.models.classifiers.head_config import (
    WORKING_HEADS,
    check_countable,
    num_classes_of,
    segmentation_heads,
    with_num_classes,
)
from mmciss.models.classifiers.query_heads import check_complete
from mmciss.registry import class_of

_FOUND: dict[tuple[Any, str], tuple[str, ...]] = {}
"""What was found for heads that differ in nothing but their number of classes, within this process."""


def find_growable(head: dict[str, Any], key: str = 'model.decode_head') -> list[str]:
    """Finds the layers whose rows are classes.

    The head is built with C and with C + 1 classes; a convolution or linear layer that has C and C + 1 output channels
    can grow, and so can what :mod:`mmciss.models.classifiers.grown_parameters` lists. Whatever else differs cannot.
    The answer is kept, so that student, teacher and every step of a run build these two heads only once, and none where
    :func:`note_growable` has seen two.

    Args:
        head: Config of a decode head or auxiliary head.
        key: Where the config stands, for messages.

    Returns:
        Names of the layers, relative to the head; none if all that grows is in that list.

    Raises:
        ConfigError: If something else depends on the number of classes, or nothing does, or the head needs a package
            that is missing.

    Examples:
        >>> find_growable(dict(type='FCNHead', in_channels=8, channels=4, num_classes=3))
        ['conv_seg']
    """
    check_complete(head, key)
    check_countable(head, key)
    found = _cache_key(head, key)
    if found not in _FOUND:
        _FOUND[found] = _probe(head, key)
    return list(_FOUND[found])


def note_growable(segmentors: Sequence[Any]) -> None:
    """Compares the heads of two segmentors that are built anyway, so that none is built for :func:`find_growable`.

    What these cannot tell, since more than the number of classes differs or a head cannot grow, is left to it.

    Args:
        segmentors: Two of :func:`~mmciss.models.classifiers.grow.build_segmentor`.
    """
    small, large = (dict(segmentation_heads(item.build_config)) for item in segmentors)
    for key in small.keys() & large.keys():
        found = _cache_key(small[key], key)
        classes, more = (num_classes_of(heads[key], key) for heads in (small, large))
        if classes < more and found == _cache_key(large[key], key) and found not in _FOUND:
            first, second = (item.get_submodule(layer_path(key)) for item in segmentors)
            with suppress(ConfigError):
                _FOUND[found] = _compare(small[key], key, first, second, more)


def growing_layers(model: dict[str, Any]) -> list[str]:
    """Returns the names of a segmentor's layers whose rows are classes; those of the last decode head come last.

    Raises:
        ConfigError: If a head cannot grow, naming it.
    """
    heads = sorted(segmentation_heads(model), key=lambda item: item[0].startswith('model.decode_head'))
    return [f'{layer_path(key)}.{leaf}' for key, head in heads for leaf in find_growable(head, key)]


def layer_path(key: str) -> str:
    """Returns the name of a head within its segmentor; ``'decode_head.0'`` of the key ``'model.decode_head[0]'``."""
    return key.removeprefix('model.').replace('[', '.').replace(']', '')


def _cache_key(head: dict[str, Any], key: str) -> tuple[Any, str]:
    # A method replaces the main loss between steps; if it has no classes of its own, no layer depends on it.
    varies = {'loss_decode'} if 'num_classes' not in repr(head.get('loss_decode')) else set()
    rest = {name: value for name, value in head.items() if name not in varies}
    return class_of(MODELS, head), repr(with_num_classes(rest, 0, key))


def _probe(head: dict[str, Any], key: str) -> tuple[str, ...]:
    classes = num_classes_of(head, key)
    small, large = (_build(with_num_classes(head, count, key)) for count in (classes, classes + 1))
    return _compare(head, key, small, large, classes + 1)


def _compare(head: dict[str, Any], key: str, small: nn.Module, large: nn.Module, more: int) -> tuple[str, ...]:
    classes = num_classes_of(head, key)
    before, after = _shapes(small), _shapes(large)
    grown: dict[str, None] = {}
    listed = False
    for name in (*before, *(name for name in after if name not in before)):
        if before.get(name) == after.get(name):
            continue
        path = name.rpartition('.')[0]
        larger = without_growth(growth_of(small, name), before.get(name), after.get(name), more - classes)
        listed = listed or larger != after.get(name)
        if larger == before.get(name):
            continue
        if not _grows_by_rows(small, name, before.get(name), larger, classes, more):
            raise _cannot_grow(head, key, name, before.get(name), after.get(name))
        grown[path] = None
    if not grown and not listed:
        raise ConfigError(
            f'{key}: no layer of {head.get("type")} depends on num_classes={classes}, so it cannot learn further '
            f'classes. Heads that work: {WORKING_HEADS}.'
        )
    return tuple(grown)


def _build(head: dict[str, Any]) -> nn.Module:
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter('ignore')
        try:
            with torch.device('meta'):
                return MODELS.build(head)
        except Exception:  # some heads compute with their parameters while they are built
            return MODELS.build(head)


def _shapes(head: nn.Module) -> dict[str, tuple[int, ...]]:
    tensors = [*head.named_parameters(), *head.named_buffers()]
    return {name: tuple(tensor.shape) for name, tensor in tensors}


def _grows_by_rows(
    head: nn.Module, name: str, before: tuple[int, ...] | None, after: tuple[int, ...] | None, classes: int, more: int
) -> bool:
    path, _, leaf = name.rpartition('.')
    if before is None or after is None or leaf not in ('weight', 'bias'):
        return False
    layer = head.get_submodule(path)
    is_known = isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.groups == 1 and layer.padding_mode == 'zeros'
    )
    rest = extra_rows(type(head), path)
    return is_known and before[0] == classes + rest and after == (more + rest, *before[1:])


def _cannot_grow(
    head: dict[str, Any], key: str, name: str, before: tuple[int, ...] | None, after: tuple[int, ...] | None
) -> ConfigError:
    shapes = ' and '.join('absent' if shape is None else str(shape) for shape in (before, after))
    return ConfigError(
        f'{key}: {head.get("type")} cannot learn further classes: its parameter {name!r} depends on num_classes, and '
        f'not as one row per class (shapes {shapes} for num_classes={num_classes_of(head, key)} and one more). Heads '
        f'that work: {WORKING_HEADS}; and any head of your own whose classes are the rows of Conv2d or Linear layers.'
    )
