"""The number of classes in the configs of a model's heads, wherever they keep it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.models.classifiers.grown_parameters import EXTRA_ROWS
from mmciss.registry import class_of

WORKING_HEADS = (
    'ANNHead, APCHead, ASPPHead, CCHead, DAHead, DDRHead, DepthwiseSeparableASPPHead, '
    'DepthwiseSeparableFCNHead, DMHead, DNLHead, DPTHead, EMAHead, EncHead, FCNHead, FPNHead, '
    'GCHead, ISAHead, IterativeDecodeHead, LightHamHead, LRASPPHead, Mask2FormerHead, '
    'MaskFormerHead, NLHead, OCRHead, PIDHead, PointHead, PSAHead, PSPHead, SegformerHead, '
    'SegmenterMaskTransformerHead, SETRMLAHead, SETRUPHead, UPerHead'
)
"""The heads of MMSegmentation known to work, for messages only; what grows is found by probing."""


def num_classes_of(head: dict[str, Any], key: str = 'model.decode_head') -> int:
    """Returns the number of classes of a head's config.

    A head made of heads (K-Net) has it in the inner ones only.

    Raises:
        ConfigError: If it is stated nowhere, or differently by inner heads.
    """
    if 'num_classes' in head:
        return int(head['num_classes'])
    found = sorted({int(node['num_classes']) for node in nodes_with('num_classes', head)})
    if len(found) != 1:
        raise ConfigError(f'{key}.num_classes is missing; inner heads of {head.get("type")} say {found or "nothing"}')
    return found[0]


def with_num_classes(head: dict[str, Any], num_classes: int, key: str = 'model.decode_head') -> dict[str, Any]:
    """Returns a copy of a head's config with another number of classes, inner heads included.

    Class weights of losses that also count 'no object' are extended: new classes weigh 1.
    """
    head = copy.deepcopy(head)
    old = num_classes_of(head, key)
    has_extra_rows = extra_rows_of(head) > 0
    for node in nodes_with('num_classes', head):
        if node['num_classes'] == old:
            node['num_classes'] = num_classes
            # A head that classifies queries has another output than one channel per class.
            if node.get('out_channels') == old and not has_extra_rows:
                node['out_channels'] = num_classes
    for node, extra in class_weights(head):
        weights = list(node['class_weight'])
        if extra and len(weights) == old + extra:
            new = [1.0] * (num_classes - old)
            node['class_weight'] = weights[: min(old, num_classes)] + new + weights[old:]
    return head


def extra_rows_of(head: dict[str, Any]) -> int:
    """Returns how many rows a head's classifier has after those of the classes."""
    names = [base.__name__ for base in getattr(class_of(MODELS, head), '__mro__', ())]
    return max((rows for name in names for rows in EXTRA_ROWS.get(name, {}).values()), default=0)


def class_weights(head: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Yields the losses of a head that have a list of class weights, and how many of these belong to no class."""
    rest = extra_rows_of(head)
    for slot, value in head.items():
        for node in nodes_with('class_weight', value):
            if isinstance(node['class_weight'], list | tuple):
                yield node, 0 if slot == 'loss_decode' else rest


def check_countable(head: dict[str, Any], key: str) -> None:
    """Refuses a head that has one output channel for two classes.

    Raises:
        ConfigError: If ``out_channels`` is 1 or a ``threshold`` is set.
    """
    for node in nodes_with('num_classes', head):
        if node.get('out_channels') == 1 or node.get('threshold') is not None:
            setting = {name: node[name] for name in ('out_channels', 'threshold') if name in node}
            raise ConfigError(
                f'{key}: {node.get("type")} with {setting} is binary, with one channel for two classes, and cannot '
                f'grow. Give it num_classes=2 (background and one class) and neither out_channels=1 nor threshold.'
            )


def check_class_weights(head: dict[str, Any], num_classes: int, key: str) -> None:
    """Refuses losses whose list of class weights does not have one weight per class.

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


def heads_of(model: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the key and config of every head of a segmentor config, cascades and lists included."""
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key)
        if heads is None:
            continue
        if isinstance(heads, list | tuple):
            yield from ((f'model.{key}[{index}]', head) for index, head in enumerate(heads))
        else:
            yield f'model.{key}', heads


def segmentation_heads(model: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Returns the heads that predict the segmentor's classes; a boundary head with two classes is none."""
    heads = list(heads_of(model))
    main = [(key, head) for key, head in heads if key.startswith('model.decode_head')]
    if not main:
        raise ConfigError(
            f'model {model.get("type")} has no decode_head and cannot grow. '
            f'Heads that can, in an encoder-decoder segmentor: {WORKING_HEADS}.'
        )
    key, head = main[-1]
    check_countable(head, key)
    classes = num_classes_of(head, key)
    return [(key, head) for key, head in heads if main[-1][1] is head or _classes(head) == classes]


def check_same_classes(model: dict[str, Any]) -> None:
    """Refuses heads that count other classes than the segmentor's and so would not grow with it.

    One of two classes or one channel tells borders from the rest (STDC, PIDNet) and stays as it is.

    Raises:
        ConfigError: Naming both keys.
    """
    heads = [(key, head, _classes(head)) for key, head in heads_of(model)]
    key, main, classes = [item for item in heads if item[0].startswith('model.decode_head')][-1]
    for other, head, found in heads:
        if head is not main and found not in (None, 1, 2, classes):
            raise ConfigError(
                f'{other}.num_classes: {found}, but {key}.num_classes is {classes}. Heads that predict the classes '
                f'grow with them and must have the same number; only one that tells borders may have 2'
            )


def segmentor_classes(model: dict[str, Any]) -> int:
    """Returns the number of classes of a segmentor config: that of its last decode head."""
    return num_classes_of([head for key, head in segmentation_heads(model) if key.startswith('model.decode_head')][-1])


def _classes(head: dict[str, Any]) -> int | None:
    try:
        return num_classes_of(head)
    except ConfigError:
        return None


def set_num_classes(model: dict[str, Any], num_classes: int) -> None:
    """Sets the number of channels in every head that predicts the segmentor's classes, in place."""
    for key, head in segmentation_heads(model):
        changed = with_num_classes(head, num_classes, key)
        head.clear()
        head.update(changed)


def nodes_with(name: str, config: Any) -> Iterator[dict[str, Any]]:
    """Yields the dictionaries inside a config that have a key."""
    if isinstance(config, dict):
        if name in config:
            yield config
        for value in config.values():
            yield from nodes_with(name, value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from nodes_with(name, value)
