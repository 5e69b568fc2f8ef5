"""Rows of classes to come: at their step they are the new ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import growable_layers


@torch.no_grad()
def claim_future_rows(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Starts a step's new rows, and those still to come, from the future rows of the step before, in place.

    Args:
        module: A segmentor with growable layers, of the new step.
        state: Tensors that the step before kept beside the plain model, by name. A step that had no future rows
            leaves the new ones as they are.

    Raises:
        ConfigError: If the step before expected another number of classes.
    """
    claimed = []
    for path, layer in growable_layers(module).items():
        prefix = f'{path}.future.' if path else 'future.'
        kept = {name.removeprefix(prefix): rows for name, rows in state.items() if name.startswith(prefix)}
        if not kept:
            continue
        new = layer.sizes[-1]
        found, expected = len(kept['weight']), new + layer.num_future
        if found != expected:
            raise ConfigError(
                f'method.classifier.future_rows: {path} of the step before has {found} rows for classes '
                f'to come, but this step adds {new} and later ones {layer.num_future}'
            )
        for leaf, rows in kept.items():
            if new:
                getattr(layer.steps[-1], leaf).copy_(rows[:new])
            if layer.future is not None:
                getattr(layer.future, leaf).copy_(rows[new:])
        claimed.append(path)
    if claimed:
        print_log(
            f'New rows go on from those that the step before kept for them: {", ".join(claimed)}', logger='current'
        )
