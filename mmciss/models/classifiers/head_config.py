"""The number of classes in a head's config, wherever the head keeps it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.models.classifiers.grown_parameters import BEHIND


def num_classes_of(head: dict[str, Any], key: str = 'model.decode_head') -> int:
    """Returns the number of classes of a head's config.

    A head made of heads (K-Net) has it in the inner ones only.

    Raises:
        ConfigError: If it is stated nowhere, or differently by inner heads.
    """
    if 'num_classes' in head:
        return int(head['num_classes'])
    found = sorted({int(node['num_classes']) for node in _nodes(head)})
    if len(found) != 1:
        raise ConfigError(f'{key}.num_classes is missing; inner heads of {head.get("type")} say {found or "nothing"}')
    return found[0]


def with_num_classes(head: dict[str, Any], num_classes: int, key: str = 'model.decode_head') -> dict[str, Any]:
    """Returns a copy of a head's config with another number of classes, inner heads included.

    Weights of losses follow where they count more than the classes, such as 'no object'; new classes
    weigh 1 there.
    """
    head = copy.deepcopy(head)
    old = num_classes_of(head, key)
    rest = rest_of(head)
    for node in _nodes(head):
        if node['num_classes'] == old:
            node['num_classes'] = num_classes
            # Where something stands behind the classes, the head's output are queries and masks.
            if node.get('out_channels') == old and not rest:
                node['out_channels'] = num_classes
    for node, behind in class_weights(head):
        weights = list(node['class_weight'])
        if behind and len(weights) == old + behind:
            new = [1.0] * (num_classes - old)
            node['class_weight'] = weights[: min(old, num_classes)] + new + weights[old:]
    return head


def rest_of(head: dict[str, Any]) -> int:
    """Returns how many rows of a head's classifier stand behind those of the classes."""
    kind = head.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    names = [base.__name__ for base in getattr(kind, '__mro__', ())]
    return max((rows for name in names for rows in BEHIND.get(name, {}).values()), default=0)


def class_weights(head: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Yields the losses of a head with a list of class weights, and how many of these are no class's."""
    rest = rest_of(head)
    for slot, value in head.items():
        for node in _nodes(value, 'class_weight'):
            if isinstance(node['class_weight'], list | tuple):
                yield node, 0 if slot == 'loss_decode' else rest


def check_countable(head: dict[str, Any], key: str) -> None:
    """Refuses a head with a single output channel for two classes.

    Raises:
        ConfigError: If ``out_channels`` is 1 or a ``threshold`` is set.
    """
    for node in _nodes(head):
        if node.get('out_channels') == 1 or node.get('threshold') is not None:
            setting = {name: node[name] for name in ('out_channels', 'threshold') if name in node}
            raise ConfigError(
                f'{key}: {node.get("type")} with {setting} is binary, with one '
                f'channel for two classes, and cannot grow. Give it num_classes=2 '
                f'(background and one class) and neither out_channels=1 nor '
                f'threshold.'
            )


def check_class_weights(head: dict[str, Any], num_classes: int, key: str) -> None:
    """Refuses losses whose list of class weights has another length than the classes.

    Raises:
        ConfigError: If it has; the loss itself would only fail at the first iteration.
    """
    for node, rest in class_weights(head):
        weights = node['class_weight']
        if rest and len(weights) != num_classes + rest:
            raise ConfigError(
                f'{key}: class_weight of {node.get("type")} has {len(weights)} '
                f'values; it needs one for each of the num_classes and {rest} more'
            )
        if not rest and len(weights) != num_classes:
            raise ConfigError(
                f'{key}: class_weight of {node.get("type")} has {len(weights)} '
                f'values, but this step has {num_classes} channels. Remove '
                f'class_weight; a model that grows cannot have a fixed list.'
            )


def _nodes(config: Any, name: str = 'num_classes') -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if name in config:
            yield config
        for value in config.values():
            yield from _nodes(value, name)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _nodes(value, name)
