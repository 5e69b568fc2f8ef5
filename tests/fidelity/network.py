"""A tiny network of the same kind as a config's, and what it says when nothing but PyTorch looks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from torch import Tensor, nn

BASE_CHANNELS = 4
CHANNELS = 8
"""Width of the backbone's first stage and of the embedding; the last of four stages has ``4 * 8 * 4`` channels."""


@contextmanager
def float64() -> Iterator[None]:
    """Makes everything that is built inside double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def tiny(model: dict, changes: dict[str, Any] | None = None) -> ConfigDict:
    """Returns the config of a segmentor with the layers of another and few channels.

    The depth of a ResNet goes from 101 to 50, which leaves the kinds of blocks, strides and dilations; a transformer
    keeps two layers. Dropout is off, so that two passes see the same; batch norm stays, for one process.

    Args:
        model: The published segmentor.
        changes: More to merge, with dots in the keys.
    """
    model = ConfigDict(copy.deepcopy(dict(model)))
    model.pop('data_preprocessor', None)
    if model.backbone.type == 'VisionTransformer':
        narrow = dict(embed_dims=CHANNELS, num_layers=2, num_heads=2, drop_path_rate=0.0)
        model.backbone.update(narrow, img_size=(64, 64), init_cfg=None)
        model.decode_head.update(narrow, in_channels=CHANNELS, channels=CHANNELS, dropout_ratio=0)
    else:
        model.backbone.update(depth=50, base_channels=BASE_CHANNELS, stem_channels=BASE_CHANNELS, init_cfg=None)
        model.decode_head.update(in_channels=BASE_CHANNELS * 8 * 4, channels=CHANNELS, dropout_ratio=0)
    _one_process(model)
    for name, value in (changes or {}).items():
        place, _, key = name.rpartition('.')
        owner = model
        for part in filter(None, place.split('.')):
            owner = owner[part]
        owner[key] = value
    return model


def _one_process(value: Any) -> None:
    if isinstance(value, dict):
        if value.get('type') == 'SyncBN':
            value['type'] = 'BN'
        for item in value.values():
            _one_process(item)


@torch.no_grad()
def settle(segmentor: nn.Module, inputs: Tensor, spread: float = 0.7) -> None:
    """Gives a random network the looks of a trained one: no neutral norms, fitting statistics, sure answers.

    Args:
        segmentor: It is changed and left in evaluation mode.
        inputs: Images that the batch norms learn their statistics from.
        spread: Standard deviation of the classifier's weights.
    """
    for name, parameter in segmentor.named_parameters():
        if '.conv_seg.' in name or name.endswith('cls_emb'):
            parameter.normal_(std=spread)
        elif parameter.ndim == 1:
            parameter.add_(0.2 * torch.randn_like(parameter))
    norms = [module for module in segmentor.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.7
    segmentor.train()
    for shift in (0.0, 0.3):
        segmentor.decode_head(segmentor.backbone(inputs + shift))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    segmentor.eval()


@dataclass
class Answer:
    """What a network says about a batch, as plain tensors.

    Attributes:
        small: Logits as the classifier gives them, ``(N, C, h, w)``.
        logits: The same at the images' size, ``(N, C, H, W)``.
        embedding: Input of the head's last layer, ``(N, D, h, w)``, or None if classes are tokens.
        maps: Further tensors by the name they were asked for.
    """

    small: Tensor
    logits: Tensor
    embedding: Tensor | None
    maps: dict[str, Tensor] = field(default_factory=dict)


def answer(segmentor: nn.Module, inputs: Tensor, names: Iterable[str] = ()) -> Answer:
    """Runs a network by its backbone and head, with PyTorch's own hooks.

    Args:
        segmentor: The network.
        inputs: Images ``(N, 3, H, W)``.
        names: Modules whose output is wanted, or their input with ``:input`` behind; the last call counts.
    """
    found: dict[str, Tensor] = {}
    handles = []
    rows = ['decode_head.conv_seg:input'] if hasattr(segmentor.decode_head, 'conv_seg') else []
    for name in [*names, *rows]:
        path, _, port = name.partition(':')
        module = segmentor.get_submodule(path)
        # Copies, since activations may overwrite them.
        if port:
            handles.append(
                module.register_forward_pre_hook(
                    lambda module, args, name=name: found.__setitem__(name, args[0].clone())
                )
            )
        else:
            handles.append(
                module.register_forward_hook(
                    lambda module, args, output, name=name: found.__setitem__(name, output.clone())
                )
            )
    try:
        small = segmentor.decode_head(segmentor.backbone(inputs))
    finally:
        for handle in handles:
            handle.remove()
    logits = F.interpolate(small, inputs.shape[-2:], mode='bilinear', align_corners=False)
    return Answer(small, logits, found.pop('decode_head.conv_seg:input', None), found)
