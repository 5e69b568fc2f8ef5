"""The number of classes in a head's config, wherever the head keeps it."""
from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from mmciss.errors import ConfigError


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
        raise ConfigError(f'{key}.num_classes is missing; '
                          f'inner heads of {head.get("type")} say {found or "nothing"}')
    return found[0]


def with_num_classes(head: dict[str, Any], num_classes: int,
                     key: str = 'model.decode_head') -> dict[str, Any]:
    """Returns a copy of a head's config with another number of classes, inner heads included."""
    head = copy.deepcopy(head)
    old = num_classes_of(head, key)
    for node in _nodes(head):
        if node['num_classes'] == old:
            node['num_classes'] = num_classes
            if node.get('out_channels') == old:
                node['out_channels'] = num_classes
    return head


def check_countable(head: dict[str, Any], key: str) -> None:
    """Refuses a head with a single output channel for two classes.

    Raises:
        ConfigError: If ``out_channels`` is 1 or a ``threshold`` is set.
    """
    for node in _nodes(head):
        if node.get('out_channels') == 1 or node.get('threshold') is not None:
            setting = {name: node[name] for name in ('out_channels', 'threshold') if name in node}
            raise ConfigError(f'{key}: {node.get("type")} with {setting} is binary, with one '
                              f'channel for two classes, and cannot grow. Give it num_classes=2 '
                              f'(background and one class) and neither out_channels=1 nor '
                              f'threshold.')


def check_class_weights(head: dict[str, Any], num_classes: int, key: str) -> None:
    """Refuses losses whose list of class weights has another length than the classes.

    Raises:
        ConfigError: If it has; the loss itself would only fail at the first iteration.
    """
    for node in _nodes(head, 'class_weight'):
        weights = node['class_weight']
        if isinstance(weights, list | tuple) and len(weights) != num_classes:
            raise ConfigError(f'{key}: class_weight of {node.get("type")} has {len(weights)} '
                              f'values, but this step has {num_classes} channels. Remove '
                              f'class_weight; a model that grows cannot have a fixed list.')


def _nodes(config: Any, name: str = 'num_classes') -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if name in config:
            yield config
        for value in config.values():
            yield from _nodes(value, name)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _nodes(value, name)
