"""Starting a step from what the step before left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import growable_layers
from mmciss.models.classifiers.old_rows import claim_future_rows, load_old_rows
from mmciss.models.initializers.context import InitializerContext
from mmciss.utils.checkpoints import read_plain_checkpoint

if TYPE_CHECKING:
    from mmciss.models.incremental_segmentor import IncrementalSegmentor


def check_fit(
    segmentor: nn.Module,
    weights: dict[str, Tensor],
    missing: list[str],
    unexpected: list[str],
    source: str | Path,
    key: str,
) -> None:
    """Refuses a checkpoint that does not fill the model.

    mmengine loads with ``strict=False``: a wrong head would be left random with a line in the log.

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


def load_plain_checkpoint(segmentor: nn.Module, path: str | Path, key: str, old_rows: bool = False) -> None:
    """Loads a plain MMSegmentation checkpoint into a grown segmentor, all of it or not at all.

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


def _load(segmentor: nn.Module, weights: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    result = segmentor.load_state_dict(weights, strict=False)
    # Some layers drop entries that they compute themselves; those were there all the same.
    missing = [
        name
        for name in result.missing_keys
        if '.auxiliary.' not in name and '.future.' not in name and name not in weights
    ]
    return missing, list(result.unexpected_keys)


def load_method_state(path: str | Path | None) -> dict[str, Any]:
    """Reads ``state.pth`` of a finished step; an absent file is an empty state (a plain checkpoint as step 0)."""
    from mmciss.utils.files import load_tensors

    return load_tensors(path) if path is not None and Path(path).is_file() else {}


def load_auxiliary(segmentor: nn.Module, path: str | Path | None) -> dict[str, Any]:
    """Loads the channels that are no classes, which a plain checkpoint does not hold, and returns the whole state.

    Rows of future classes are another step's in part, see
    :func:`~mmciss.models.classifiers.old_rows.claim_future_rows`.
    """
    state = load_method_state(path)
    known = {name: tensor for name, tensor in state.get('auxiliary', {}).items() if '.future.' not in name}
    segmentor.load_state_dict(known, strict=False)
    return state


def load_previous_step(model: IncrementalSegmentor, previous: dict) -> None:
    """Loads the old weights into the student, starts the new rows and carries the losses' state over.

    Args:
        model: The student of the new step.
        previous: Paths ``model`` and ``state`` of the step before.
    """
    load_plain_checkpoint(model.segmentor, previous['model'], key='previous step', old_rows=True)
    state = load_auxiliary(model.segmentor, previous.get('state'))
    claim_future_rows(model.segmentor, state.get('auxiliary', {}))
    if model.initializer is not None and model.step.num_new:
        for name, classifier in growable_layers(model.segmentor).items():
            model.initializer(classifier, model.step, InitializerContext(model.statistics, state, name))
    carried: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.get('losses', {}).items():
        loss, _, rest = name.partition('.')
        carried.setdefault(loss, {})[rest] = tensor
    for name, loss in model.losses.items():
        if hasattr(loss, 'carry_over'):
            loss.carry_over(carried.get(name, {}), model.step)
