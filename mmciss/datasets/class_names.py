"""The names and colours of a trained model's classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmseg.registry import DATASETS

from mmciss.registry import class_of
from mmciss.utils.configs import innermost_dataset


def class_names(
    meta: Any, num_classes: int, datasets: Mapping[str, Any] | None = None
) -> tuple[tuple[str, ...], tuple[Any, ...], str]:
    """Finds class names and colours in a checkpoint or else in data sets; otherwise classes are named by number.

    Args:
        meta: The key ``meta`` of the checkpoint, if it has one.
        num_classes: Number of classes; lists of another length are ignored.
        datasets: Configs of data sets by split, as :func:`mmciss.utils.configs.dataset_configs` returns them.

    Returns:
        The names, the colours (empty if unknown), and where they were found.
    """
    for source, facts in _candidates(meta if isinstance(meta, dict) else {}, datasets or {}):
        facts = facts if isinstance(facts, dict) else {}
        names = tuple(map(str, _listed(facts.get('classes'))))
        if len(names) == num_classes and len(set(names)) == num_classes:
            palette = [_listed(colour) for colour in _listed(facts.get('palette'))]
            known = len(palette) == num_classes and all(len(colour) == 3 for colour in palette)
            return names, tuple(tuple(map(int, colour)) for colour in palette) if known else (), source
    return tuple(f'class_{index}' for index in range(num_classes)), (), 'numbers, since no names were found'


def _candidates(meta: dict[str, Any], datasets: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields what may be a dictionary with ``classes`` and ``palette``, and where it is."""
    yield 'the checkpoint', meta.get('dataset_meta')
    yield 'the checkpoint', {str(key).lower(): value for key, value in meta.items()}
    for split, config in reversed(list(datasets.items())):  # test data first
        dataset = innermost_dataset(config)
        yield f'{split}_dataloader.dataset.metainfo', dataset.get('metainfo')
        yield f'the data set {dataset.get("type")}', getattr(class_of(DATASETS, dataset), 'METAINFO', None)


def _listed(value: Any) -> list[Any]:
    """Returns the items of a list, tuple or array; none of anything else."""
    return list(value) if isinstance(value, list | tuple) or getattr(value, 'ndim', None) else []
