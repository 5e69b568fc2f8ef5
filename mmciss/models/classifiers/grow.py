"""Building a segmentor whose classifiers grow."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import Growable, GrowableConv1d, GrowableConv2d, GrowableLinear
from mmciss.models.classifiers.grown_parameters import extra_rows
from mmciss.models.classifiers.head_config import check_class_weights, extra_rows_of, heads_of
from mmciss.models.classifiers.probe import find_growable, layer_path
from mmciss.models.classifiers.query_heads import check_complete, score_pixels

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

MAIN_CLASSIFIER = 'conv_seg'
"""Name that MMSegmentation gives a head's classifier; auxiliary channels belong to it."""


def build_segmentor(config: dict[str, Any]) -> nn.Module:
    """Builds a segmentor from MMSegmentation's config, which it keeps as ``build_config``.

    Raises:
        ConfigError: If the model needs something that is not installed.
    """
    kept = copy.deepcopy(config)
    config = copy.deepcopy(config)  # building takes parts out of it
    for key, head in heads_of(config):
        check_complete(head, key)
        score_pixels(head)
    try:
        segmentor = MODELS.build(config)
    except (KeyError, ImportError, RuntimeError) as error:
        raise ConfigError(f'model: {kept.get("type")} cannot be built: {error}') from error
    segmentor.build_config = kept
    return segmentor


def build_grown_segmentor(
    config: dict[str, Any] | nn.Module,
    sizes: Sequence[int],
    classifier: dict[str, Any] | None = None,
    num_future: int = 0,
) -> nn.Module:
    """Builds a segmentor from MMSegmentation's config and makes its classifiers growable.

    Args:
        config: Config of the segmentor, with ``sum(sizes)`` classes, or what :func:`build_segmentor` made of it.
        sizes: Channels that each step added.
        classifier: Further arguments of :func:`grow_segmentor`.
        num_future: Channels that later steps add.

    Raises:
        ConfigError: If a head cannot grow, or the model needs something that is not installed.
    """
    segmentor: Any = config if isinstance(config, nn.Module) else build_segmentor(config)
    options = dict(classifier or {}, num_future=num_future)
    segmentor.growable_names = grow_segmentor(segmentor, segmentor.build_config, sizes, **options)
    return segmentor


def grow_segmentor(
    segmentor: BaseSegmentor,
    config: dict[str, Any],
    sizes: Sequence[int],
    auxiliary: int = 0,
    detach_auxiliary: bool = True,
    future_rows: bool = False,
    num_future: int = 0,
) -> list[str]:
    """Makes every head of a segmentor growable, in place.

    Args:
        segmentor: A built EncoderDecoder or CascadeEncoderDecoder. If it has as many classes as ``sizes`` add up to,
            its outputs stay what they were; if it has those of the first steps, the rest is added at random.
        config: The config that it was built from.
        sizes: Channels added by each step.
        auxiliary: Number of auxiliary channels, which are not classes, in the main head's classifier.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.
        future_rows: Whether heads also have rows for the classes of later steps, which their losses see. Those
            before the last head of a cascade have none, since the next head reads their scores.
        num_future: How many classes these are.

    Returns:
        Names of the growable layers.

    Raises:
        ConfigError: If a head cannot grow, a loss has weights for another number of classes, or auxiliary channels or
            future rows are requested without a single classifier.
    """
    heads = growing_heads(segmentor)
    main = [name for name in heads if name.startswith('decode_head')][-1]
    configs = {layer_path(key): (head, key) for key, head in heads_of(config)}
    plans: list[tuple[nn.Module, list[str], str, int, int]] = []
    for name, head in heads.items():
        head_config, key = configs[name]
        check_class_weights(head_config, sum(sizes), key)
        leaves = find_growable(head_config, key)
        extra = auxiliary if name == main else 0
        if extra and MAIN_CLASSIFIER not in leaves:
            raise ConfigError(
                f'method.classifier.auxiliary={auxiliary} needs a head with one classifier {MAIN_CLASSIFIER!r}; '
                f'{key} is {head_config.get("type")} with {leaves}'
            )
        future = num_future if future_rows and (name == main or not name.startswith('decode_head')) else 0
        if future and answering_layer(leaves) is None:
            raise ConfigError(
                f'method.classifier.future_rows=True needs a head with one classifier; {key} is '
                f'{head_config.get("type")} with {leaves}. Set it to False to train without rows for future classes'
            )
        # Heads that classify queries list weights for their own loss, which is not used.
        if future and not extra_rows_of(head_config):
            check_class_weights(head_config, sum(sizes) + future, key)
        plans.append((head, leaves, name, extra, future))
    for head, leaves, _, extra, future in plans:
        grow_head(head, leaves, sizes, extra, detach_auxiliary, future)
    _set_num_classes(segmentor, sum(sizes))
    return [f'{name}.{leaf}' for _, leaves, name, *_ in plans for leaf in leaves]


def growing_heads(segmentor: BaseSegmentor) -> dict[str, nn.Module]:
    """Returns the heads that predict the segmentor's classes, by name, auxiliary heads included.

    A head with another number of classes (the boundary head of STDC) does not grow.
    """
    heads: dict[str, nn.Module] = {}
    for slot in ('decode_head', 'auxiliary_head'):
        head = getattr(segmentor, slot, None)
        if isinstance(head, nn.ModuleList):
            heads.update({f'{slot}.{index}': item for index, item in enumerate(head)})
        elif head is not None:
            heads[slot] = head
    return {name: head for name, head in heads.items() if getattr(head, 'num_classes', None) == segmentor.num_classes}


def answering_layer(leaves: Sequence[str]) -> str | None:
    """Returns which growable layer of a head gives its logits, or None if no single layer does.

    Args:
        leaves: Names from :func:`~mmciss.models.classifiers.probe.find_growable`.
    """
    if MAIN_CLASSIFIER in leaves:
        return MAIN_CLASSIFIER
    return leaves[0] if len(leaves) == 1 and '.' not in leaves[0] else None


def grow_head(
    head: nn.Module,
    leaves: Iterable[str],
    sizes: Sequence[int],
    auxiliary: int = 0,
    detach_auxiliary: bool = True,
    future: int = 0,
) -> None:
    """Replaces layers of a head by growable ones, in place, and tells the head its new number of classes.

    Args:
        head: A built head.
        leaves: Names from :func:`~mmciss.models.classifiers.probe.find_growable`.
        sizes: Channels added by each step.
        auxiliary: Number of auxiliary channels, which are not classes, in the layer ``conv_seg``.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.
        future: Number of rows for classes of later steps, for the layer that gives the head's logits.
    """
    leaves = list(leaves)
    for name in leaves:
        path, _, leaf = name.rpartition('.')
        extra = auxiliary if name == MAIN_CLASSIFIER else 0
        upcoming = future if name == answering_layer(leaves) else 0
        rest = extra_rows(type(head), name)
        grown = grow_layer(head.get_submodule(name), sizes, extra, detach_auxiliary, rest, upcoming)
        setattr(head.get_submodule(path), leaf, grown)
    old = head.num_classes
    for module in head.modules():
        if getattr(module, 'num_classes', None) == old:
            _set_num_classes(module, sum(sizes))


def grow_layer(
    layer: Any, sizes: Sequence[int], auxiliary: int = 0, detach_auxiliary: bool = True, rest: int = 0, future: int = 0
) -> Growable:
    """Makes a growable layer with the weights of an ordinary one.

    Args:
        layer: A Conv1d, Conv2d or Linear whose rows are those of the first steps.
        sizes: Channels added by each step.
        auxiliary: Number of auxiliary channels, which are not classes.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.
        rest: Number of rows at the layer's end that are not classes and stay at the end.
        future: Number of rows for classes of later steps.

    Raises:
        ValueError: If the layer's rows end in the middle of a step.
    """
    options: dict[str, Any] = dict(bias=layer.bias is not None, device=layer.weight.device, dtype=layer.weight.dtype)
    # Rows that are copied need no random numbers: with the same seed a base step starts exactly as in plain
    # MMSegmentation.
    given = len(layer.weight) - rest
    with torch.random.fork_rng(devices=[], enabled=given == sum(sizes)):
        more = (auxiliary, detach_auxiliary, rest, future)
        if isinstance(layer, nn.Linear):
            grown: Growable = GrowableLinear(layer.in_features, sizes, *more, **options)
        else:
            kind = GrowableConv1d if isinstance(layer, nn.Conv1d) else GrowableConv2d
            options |= dict(stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
            grown = kind(layer.in_channels, sizes, layer.kernel_size, *more, **options)
    rows = 0
    with torch.no_grad():
        for group in grown.groups[:-1] if rest else grown.groups:
            if rows == given:
                break
            end = rows + len(group.weight)
            if end > given:
                raise ValueError(f'a layer with {given} channels cannot be split into steps of {tuple(sizes)} channels')
            _copy_rows(group, layer, rows, end)
            rows = end
        if rest:
            _copy_rows(grown.rest, layer, given, len(layer.weight))
    return grown.train(layer.training)


def _copy_rows(group: Any, layer: Any, start: int, end: int) -> None:
    group.weight.copy_(layer.weight[start:end])
    if group.bias is not None:
        group.bias.copy_(layer.bias[start:end])


def _set_num_classes(module: Any, num_classes: int) -> None:
    if getattr(module, 'out_channels', None) == module.num_classes:
        module.out_channels = num_classes
    module.num_classes = num_classes
