"""How many channels the maps of a model have, found out by running it once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.refining import raw_answer
from mmciss.models.taps import FeatureTap

SIDE = 64
"""Side of the empty image, in pixels."""


def feature_channels(segmentor: nn.Module, layers: Iterable[str], key: str) -> dict[str, int]:
    """Returns the number of channels of each layer's output; of several maps that of the last.

    Args:
        segmentor: The segmentor; neither its weights nor its mode nor any generator change.
        layers: Names of modules, relative to the segmentor.
        key: The config key of the slot that asks.

    Raises:
        ConfigError: If the model does not run on an image of 64 x 64 pixels, or a layer's output is
            no map.
    """
    modes = {module: module.training for module in segmentor.modules()}
    segmentor.eval()
    image = next(segmentor.parameters()).new_zeros(1, 3, SIDE, SIDE)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), FeatureTap(segmentor, layers) as tap:
            raw_answer(segmentor, image)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f'{key} is found out by running the model on an image of {SIDE} x {SIDE} pixels, which failed: {error}'
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training
    return {name: _channels(name, tap.records.get(name), key) for name in layers}


def _channels(name: str, output: Any, key: str) -> int:
    output = output[-1] if isinstance(output, list | tuple) else output
    if not isinstance(output, torch.Tensor) or output.dim() != 4:
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ConfigError(f'{key}: the layer {name!r} must give a map (N, C, H, W), found {found}')
    return output.shape[1]
