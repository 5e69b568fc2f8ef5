"""Starts a step from what the previous step left."""

from __future__ import annotations

from collections.abc import Mapping
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
    segmentor: BaseSegmentor,
    weights: dict[str, Tensor],
    missing: list[str],
    unexpected: list[str],
    source: str | Path,
    key: str,
) -> None:
    """Rejects a checkpoint that does not fit the model exactly.

    mmengine loads with ``strict=False``: a head that does not match would stay random, with no more than a line in the
    log.

    Raises:
        ConfigError: If keys are missing or unexpected.
    """
    if missing or unexpected:
        parts = [
            f'{len(names)} {word} (such as {", ".join(sorted(names)[:3])})'
            for word, names in (('missing', missing), ('unexpected', unexpected))
            if names
        ]
        raise ConfigError(
            f'{key}: {source} does not fit the model ({type(segmentor).__name__} with '
            f'{segmentor.num_classes} classes): parameters {" and ".join(parts)}. It must come from the '
            f'same architecture and the same classes.'
        )


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
    weights = read_plain_checkpoint(path)
    try:
        missing, unexpected = load_old_rows(segmentor, weights) if old_rows else _load(segmentor, weights)
    except (RuntimeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f'{key}: {path} does not fit the model: {error}') from error
    check_fit(segmentor, weights, missing, unexpected, path, key)


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
