"""Showing a grown segmentor's classifiers as the plain layers that they replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import skip_init

from mmciss.models.classifiers.growable import Growable, growable_layers, joined_rows


@contextmanager
def plain_layers(module: nn.Module) -> Iterator[None]:
    """Puts plain layers in the place of growable ones for a while; what they hold at the end is taken over.

    MMSegmentation's weight initialisation walks over every module with a ``weight``. It would draw random numbers for
    a growable layer and again for its groups; with plain layers in place the base step starts exactly as in plain
    MMSegmentation with the same seed.

    Args:
        module: A segmentor with growable layers.
    """
    layers = growable_layers(module)
    # A layer of more than rows keeps what its constructor drew.
    plain = {name: _plain(layer) if layer.linear else nn.Identity() for name, layer in layers.items()}
    _put(module, plain)
    try:
        yield
    finally:
        _put(module, layers)
    for name, layer in layers.items():
        if layer.linear:
            _take_over(layer, plain[name])


def _put(module: nn.Module, layers: dict[str, nn.Module]) -> None:
    for name, layer in layers.items():
        path, _, leaf = name.rpartition('.')
        setattr(module.get_submodule(path), leaf, layer)


@torch.no_grad()
def _take_over(layer: Growable, plain: nn.Module) -> None:
    groups = layer.all_groups
    for leaf, rows in plain.named_parameters():
        for group, part in zip(groups, rows.split([len(group.weight) for group in groups])):
            getattr(group, leaf).copy_(part)


def _plain(layer: Growable) -> nn.Module:
    weight, bias = joined_rows(layer.all_groups)
    options = dict(bias=bias is not None, device=weight.device, dtype=weight.dtype)
    if weight.dim() == 2:
        plain = skip_init(nn.Linear, weight.shape[1], weight.shape[0], **options)
    else:
        kind = nn.Conv1d if weight.dim() == 3 else nn.Conv2d
        plain = skip_init(
            kind,
            weight.shape[1],
            weight.shape[0],
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            **options,
        )
    with torch.no_grad():
        plain.weight.copy_(weight)
        if bias is not None:
            plain.bias.copy_(bias)
    return plain
