"""Starts a step from what the previous step left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.models.classifiers.old_rows import claim_future_rows, load_old_rows
from mmciss.models.step_context import StepState
from mmciss.utils.checkpoints import read_plain_checkpoint

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


def check_fit(
    segmentor: BaseSegmentor, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str], source: str
) -> None:
    """Rejects weights that do not fit the model exactly.

    mmengine loads with ``strict=False``: a head that does not match would stay random, with no more than a line in the
    log.

    Args:
        segmentor: The model.
        missing: Names of weights that the checkpoint lacks.
        unexpected: Names of those that the model lacks.
        shapes: What :func:`other_shapes` says.
        source: The checkpoint and what it should fit, for the message.

    Raises:
        ConfigError: If there is any such weight.
    """
    lists = (('missing in the checkpoint', missing), ('that the model does not have', unexpected))
    problems = [
        f'{len(names)} weights {what}, such as {", ".join(sorted(names)[:3])}' for what, names in lists if names
    ]
    if shapes:
        # The classifiers come last in the model and tell most: how many classes the checkpoint has.
        problems.append(f'{len(shapes)} of another shape: {"; ".join(shapes[-2:])}')
    if problems:
        raise ConfigError(
            f'{source} ({type(segmentor).__name__} with {segmentor.num_classes} classes): {". ".join(problems)}. It '
            f'must come from the same architecture and the same classes.'
        )


def other_shapes(segmentor: BaseSegmentor, weights: Mapping[str, Tensor]) -> list[str]:
    """Describes the weights whose shapes differ in a checkpoint and the model."""
    return [
        f'{name} is {tuple(weights[name].shape)} in the checkpoint and {tuple(tensor.shape)} in the model'
        for name, tensor in segmentor.state_dict().items()
        if name in weights and weights[name].shape != tensor.shape
    ]


def load_plain_checkpoint(segmentor: BaseSegmentor, path: str | Path, key: str, old_rows: bool = False) -> None:
    """Loads a plain MMSegmentation checkpoint into a grown segmentor; it must fit exactly.

    Args:
        segmentor: The grown segmentor.
        path: The checkpoint.
        key: The config key that named it, for messages.
        old_rows: Whether the checkpoint has only the first rows of the classifiers.

    Raises:
        ConfigError: If it does not fit.
    """
    weights, source = read_plain_checkpoint(path), f'{key}: {path} does not fit the model'
    try:
        missing, unexpected = load_old_rows(segmentor, weights) if old_rows else _load(segmentor, weights)
    except (RuntimeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        check_fit(segmentor, (), (), other_shapes(segmentor, weights), source)
        raise ConfigError(f'{source}: {error}') from error
    check_fit(segmentor, missing, unexpected, (), source)


def _load(segmentor: BaseSegmentor, weights: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    result = segmentor.load_state_dict(weights, strict=False)
    # Some layers drop entries that they compute themselves, though the checkpoint has them.
    missing = [
        name
        for name in result.missing_keys
        if '.auxiliary.' not in name and '.future.' not in name and name not in weights
    ]
    return missing, list(result.unexpected_keys)


def load_auxiliary(segmentor: BaseSegmentor, state: Mapping[str, Any]) -> None:
    """Loads the auxiliary channels, which a plain checkpoint does not have.

    Rows of future classes are handled elsewhere, since the new step takes some of them over, see
    :func:`~mmciss.models.classifiers.old_rows.claim_future_rows`.

    Args:
        segmentor: The grown segmentor.
        state: Content of ``state.pth``.
    """
    known = {name: tensor for name, tensor in state.get('auxiliary', {}).items() if '.future.' not in name}
    segmentor.load_state_dict(known, strict=False)


def load_previous_step(segmentor: BaseSegmentor, previous: StepState) -> None:
    """Loads what the previous step left into the network of the new step; the new rows stay as they are.

    Raises:
        ConfigError: If it does not fit.
    """
    load_plain_checkpoint(segmentor, previous.model, key='previous step', old_rows=True)
    load_auxiliary(segmentor, previous.content)
    claim_future_rows(segmentor, previous.content.get('auxiliary', {}))
