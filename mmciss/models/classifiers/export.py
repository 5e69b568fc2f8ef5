"""From a grown segmentor to what MMSegmentation loads without mmciss."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.models.classifiers.growable import growable_layers
from mmciss.models.classifiers.head_config import num_classes_of, with_num_classes

HEAD_SLOTS = ('decode_head', 'auxiliary_head')


def plain_state_dict(segmentor: nn.Module) -> OrderedDict[str, Tensor]:
    """Returns the weights under the names and in the order of a plain segmentor.

    The groups of each growable layer become one ``weight`` and one ``bias``; auxiliary channels,
    which are no classes, are left out.

    Args:
        segmentor: A segmentor with growable layers.
    """
    layers = growable_layers(segmentor)
    plain: OrderedDict[str, Tensor] = OrderedDict()
    seen: set[str] = set()
    for key, tensor in segmentor.state_dict().items():
        owner = next((name for name in layers if key.startswith(f'{name}.' if name else '')), None)
        if owner is None:
            plain[key] = tensor.detach()
            continue
        if owner not in seen:  # where the first of its tensors stands
            prefix = f'{owner}.' if owner else ''
            plain.update({f'{prefix}{name}': rows for name, rows in layers[owner].exported().items()})
            seen.add(owner)
    return plain


def plain_model_cfg(model: dict[str, Any], num_classes: int) -> dict[str, Any]:
    """Returns the config of the plain segmentor that loads :func:`plain_state_dict`.

    Args:
        model: The segmentor's config.
        num_classes: Channels of the exported model.

    Returns:
        The config; losses of mmciss are replaced. Heads and other layers of mmciss stay, and need it to be loaded.
    """
    model = copy.deepcopy(model)
    classes = num_classes_of(_heads(model, 'decode_head')[-1])
    for slot in HEAD_SLOTS:
        heads = [
            with_num_classes(head, num_classes, f'model.{slot}')
            if num_classes_of(head, f'model.{slot}') == classes
            else head
            for head in _heads(model, slot)
        ]
        if heads:
            model[slot] = heads if isinstance(model[slot], list | tuple) else heads[0]
    for slot, node in list(_typed_nodes(model)):
        if slot != 'loss_decode' or not _is_ours(node['type']):
            continue
        weight = node.get('loss_weight', 1.0)
        node.clear()
        node.update(type='CrossEntropyLoss', loss_weight=weight)
    return model


def _heads(model: dict[str, Any], slot: str) -> list[dict[str, Any]]:
    heads = model.get(slot)
    if heads is None:
        return []
    return list(heads) if isinstance(heads, list | tuple) else [heads]


def _typed_nodes(config: Any, slot: str = '') -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields every config with a ``type``, and the key that it or its list stands under."""
    if isinstance(config, list | tuple):
        for item in config:
            yield from _typed_nodes(item, slot)
    elif isinstance(config, dict):
        if 'type' in config:
            yield slot, config
        for key, value in list(config.items()):
            yield from _typed_nodes(value, key)


def _is_ours(kind: Any) -> bool:
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    return getattr(found, '__module__', '').split('.')[0] == 'mmciss'
