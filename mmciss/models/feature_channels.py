"""How many channels the layers of a model give, found by running it once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from mmciss.errors import ConfigError
from mmciss.models.outputs import run_segmentor
from mmciss.models.taps import FeatureTap

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

SIDE = 64
"""Side of the empty image that a model is run on, in pixels."""


def feature_channels(segmentor: BaseSegmentor, layers: Iterable[str], key: str) -> dict[str, int]:
    """Runs a model once to find the number of channels of each layer's output; of several maps, that of the last.

    Args:
        segmentor: The segmentor; neither its weights nor its mode nor any random generator change.
        layers: Names of modules, relative to the segmentor.
        key: The config key of the slot that asks.

    Raises:
        ConfigError: If the model does not run on an image of 64 x 64 pixels, or a layer's output is not a map.
    """
    with FeatureTap(segmentor, layers) as tap:
        run_on_an_empty_image(segmentor, key)
    return {name: _channels(name, tap.records.get(name), key) for name in layers}


def run_on_an_empty_image(segmentor: BaseSegmentor, key: str) -> None:
    """Runs a model once; neither its weights nor its mode nor any random generator change.

    Args:
        segmentor: The segmentor.
        key: The config key of the slot that asks.

    Raises:
        ConfigError: If the model does not run on an image of 64 x 64 pixels.
    """
    modes = {module: module.training for module in segmentor.modules()}
    segmentor.eval()
    image = next(segmentor.parameters()).new_zeros(1, 3, SIDE, SIDE)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            run_segmentor(segmentor, image)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f'{key} is found out by running the model on an image of {SIDE} x {SIDE} pixels, which failed: {error}'
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training


def _channels(name: str, output: Any, key: str) -> int:
    output = output[-1] if isinstance(output, list | tuple) else output
    if not isinstance(output, torch.Tensor) or output.dim() != 4:
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ConfigError(f'{key}: the layer {name!r} must give a map (N, C, H, W), found {found}')
    return output.shape[1]
