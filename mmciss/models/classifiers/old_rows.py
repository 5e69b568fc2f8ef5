"""How the classifiers of a step start from those of the previous step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import growable_layers
from mmciss.models.classifiers.grown_parameters import widen_parameters


def load_old_rows(module: nn.Module, weights: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Loads weights that may lack the newest rows of the growable layers; those rows stay as they are.

    Args:
        module: A segmentor with growable layers.
        weights: Weights of the previous step, under plain MMSegmentation's names or our own.

    Returns:
        Names that the weights should have had, and names that they should not have had. New rows, rows of future
        classes and auxiliary channels are in neither; what stayed as it was is logged.

    Raises:
        ValueError: If the rows end in the middle of a step.
        RuntimeError: If a tensor has another shape.
    """
    weights = dict(weights)
    widen_parameters(module, weights)
    new_rows: list[str] = []
    for name, layer in growable_layers(module).items():
        prefix = f'{name}.' if name else ''
        if f'{prefix}weight' in weights:
            covered = layer.split_rows(weights, prefix)
        else:
            found = [k for k in range(len(layer.sizes)) if f'{prefix}steps.{k}.weight' in weights]
            covered = max(found, default=-1) + 1
        if covered:
            new_rows += [f'{prefix}steps.{index}.' for index in range(covered, len(layer.sizes)) if layer.sizes[index]]
            new_rows += [f'{prefix}auxiliary.', f'{prefix}future.']
    result = module.load_state_dict(weights, strict=False)
    kept = [name for name in result.missing_keys if name.startswith(tuple(new_rows) or ('\0',))]
    if kept:
        print_log(f'Not in the loaded weights, left to the initializer: {", ".join(kept)}', logger='current')
    # Some layers drop entries that they compute themselves; those were there all the same.
    missing = [name for name in result.missing_keys if name not in set(kept) and name not in weights]
    return missing, list(result.unexpected_keys)


@torch.no_grad()
def claim_future_rows(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Starts new rows, and those for classes still to come, from the future rows of the previous step, in place.

    Args:
        module: A segmentor with growable layers, of the new step.
        state: Tensors that the previous step kept in addition to the exported model, by name. If it had no future rows,
            the new ones stay as they are.

    Raises:
        ConfigError: If the previous step expected another number of classes.
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
                f'method.classifier.future_rows: {path} of the previous step has {found} rows for future classes, but '
                f'this step adds {new} and later ones {layer.num_future}'
            )
        for leaf, rows in kept.items():
            if new:
                getattr(layer.steps[-1], leaf).copy_(rows[:new])
            if layer.future is not None:
                getattr(layer.future, leaf).copy_(rows[new:])
        claimed.append(path)
    if claimed:
        print_log(f'New rows start from the future rows of the previous step: {", ".join(claimed)}', logger='current')
