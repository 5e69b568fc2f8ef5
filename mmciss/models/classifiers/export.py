"""From a grown segmentor back to plain MMSegmentation: its layers, its weights, its config.

Plain means as MMSegmentation builds it, without anything of mmciss.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.utils import skip_init

from mmciss.models.classifiers.growable import Growable, growable_layers, joined_rows
from mmciss.models.classifiers.head_config import nodes_with, set_num_classes
from mmciss.registry import class_of, is_ours

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


@contextmanager
def plain_layers(module: nn.Module) -> Iterator[None]:
    """Replaces growable layers with plain ones inside a ``with`` block, and then copies their weights back.

    MMSegmentation's weight initialisation walks over every module that has a ``weight``. It would draw random numbers
    for a growable layer and again for its groups; with plain layers in place the base step starts exactly as in plain
    MMSegmentation with the same seed. Auxiliary channels start as the classes' rows do.

    Args:
        module: A segmentor with growable layers.
    """
    layers = growable_layers(module)
    # A layer of more than rows keeps what its constructor drew.
    plain = {name: _plain_layer(layer) if layer.linear else nn.Identity() for name, layer in layers.items()}
    _replace(module, plain)
    try:
        yield
    finally:
        _replace(module, layers)
    for name, layer in layers.items():
        if layer.linear:
            _copy_back(plain[name], layer)


def _replace(module: nn.Module, layers: Mapping[str, nn.Module]) -> None:
    for name, layer in layers.items():
        path, _, leaf = name.rpartition('.')
        setattr(module.get_submodule(path), leaf, layer)


def _drawn_groups(layer: Growable) -> list[Any]:
    return layer.all_groups if layer.auxiliary is None else [*layer.all_groups, layer.auxiliary]


@torch.no_grad()
def _copy_back(plain: nn.Module, layer: Growable) -> None:
    groups = _drawn_groups(layer)
    for leaf, rows in plain.named_parameters():
        for group, part in zip(groups, rows.split([len(group.weight) for group in groups]), strict=True):
            getattr(group, leaf).copy_(part)


@torch.no_grad()
def _plain_layer(layer: Growable) -> nn.Module:
    weight, bias = joined_rows(_drawn_groups(layer))
    options: dict[str, Any] = dict(bias=bias is not None, device=weight.device, dtype=weight.dtype)
    kind: type[nn.Module] = nn.Linear
    if weight.dim() > 2:
        kind = nn.Conv1d if weight.dim() == 3 else nn.Conv2d
        options |= dict(kernel_size=layer.kernel_size, stride=layer.stride)
        options |= dict(padding=layer.padding, dilation=layer.dilation)
    plain = skip_init(kind, weight.shape[1], weight.shape[0], **options)
    plain.weight.copy_(weight)
    if bias is not None:
        plain.bias.copy_(bias)
    return plain


def plain_state_dict(segmentor: BaseSegmentor) -> OrderedDict[str, Tensor]:
    """Returns the weights under the names and in the order of a plain segmentor.

    The groups of each growable layer become one ``weight`` and one ``bias``. Auxiliary channels and rows of future
    classes are left out.

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
        if owner not in seen:  # all of its tensors stand where its first one was
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
        The config, in which cross entropy replaces the losses of mmciss. Heads and other layers of mmciss stay, and
        need it to be loaded.
    """
    model = copy.deepcopy(model)
    set_num_classes(model, num_classes)
    for holder in nodes_with('loss_decode', model):
        losses = holder['loss_decode']
        for loss in losses if isinstance(losses, list | tuple) else [losses]:
            if is_ours(class_of(MODELS, loss)):
                weight = loss.get('loss_weight', 1.0)
                loss.clear()
                loss.update(type='CrossEntropyLoss', loss_weight=weight)
    return model
