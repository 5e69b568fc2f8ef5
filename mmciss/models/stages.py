"""The stages of a backbone, found by themselves."""

from __future__ import annotations

from torch import nn

STAGES = 'stages'
"""Name of a tap: the map that every stage ends with, after its last activation."""
PRE_ACTIVATION = 'pre_activation'
"""Port of that tap: the same maps before their last activation, where a stage ends with one."""


def stage_taps(segmentor: nn.Module, pre_activation: bool = False) -> tuple[str, ...]:
    """Returns the names of the taps that ``'stages'`` or ``'stages:pre_activation'`` stands for.

    A backbone that says which of its layers are stages (``res_layers``: ResNet and its relatives, in
    MMSegmentation and in mmpretrain) is tapped there, every stage, whether the head uses its map or not.
    The blocks of a ResNet call one ReLU after every convolution, and FeatureTap keeps the last call, so
    the input of the last block's ReLU is the residual sum that PLOP distils. Any other backbone gives the
    maps that it hands on, and those of transformers, MobileNetV2 and ConvNeXt end without an activation.

    Args:
        segmentor: A segmentor with a ``backbone``.
        pre_activation: Whether maps before the last activation are wanted.

    Examples:
        >>> backbone = nn.Sequential()
        >>> backbone.layer1 = nn.Sequential(nn.Sequential())
        >>> backbone.layer1[0].relu = nn.ReLU()
        >>> backbone.res_layers = ['layer1']
        >>> segmentor = nn.Module()
        >>> segmentor.backbone = backbone
        >>> stage_taps(segmentor), stage_taps(segmentor, pre_activation=True)
        (('backbone.layer1',), ('backbone.layer1.-1.relu:input',))
    """
    backbone = segmentor.backbone
    names = getattr(backbone, 'res_layers', None)
    if not names or not all(isinstance(getattr(backbone, str(name), None), nn.Module) for name in names):
        return ('backbone',)
    taps = []
    for name in names:
        blocks = list(getattr(backbone, name).children())
        ends_with_relu = bool(blocks) and isinstance(getattr(blocks[-1], 'relu', None), nn.Module)
        taps.append(f'backbone.{name}' + ('.-1.relu:input' if pre_activation and ends_with_relu else ''))
    return tuple(taps)
