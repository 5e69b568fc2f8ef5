"""Working with a wrapped MMSegmentation data set: its parts, its files and its pipelines."""

from __future__ import annotations

import copy
import os.path as osp
from collections.abc import Mapping
from typing import Any

from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.datasets.transforms import LoadBiomedicalAnnotation
from mmseg.registry import DATASETS

from mmciss.datasets.image_files import NESTING, transforms_of
from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.errors import ConfigError

LABEL_LOADERS = (LoadAnnotations, LoadBiomedicalAnnotation)


def build_dataset(config: Mapping[str, Any]) -> Any:
    """Builds a data set of MMSegmentation.

    Raises:
        ConfigError: If it has no images; mmengine would fail on an empty array.
    """
    try:
        return DATASETS.build(config)
    except ValueError as error:
        if 'need at least one array' not in str(error):
            raise
        raise ConfigError(
            f'{str(config.get("type")).rpartition(".")[2]}: no images: no file in data_prefix.img_path '
            f'({(config.get("data_prefix") or {}).get("img_path")}) ends with img_suffix '
            f'({config.get("img_suffix", "the data set class decides")}).'
        ) from error


def parts_of(dataset: Any) -> list[BaseDataset]:
    """Returns the plain data sets inside ``dataset``, in index order.

    Raises:
        ConfigError: If it is neither a plain nor a concatenated data set.
    """
    if isinstance(dataset, ConcatDataset):
        return [part for child in dataset.datasets for part in parts_of(child)]
    if isinstance(dataset, BaseDataset):
        return [dataset]
    raise ConfigError(
        f'IncrementalDataset.dataset: cannot wrap {type(dataset).__name__}; allowed are '
        'data sets derived from BaseSegDataset, and ConcatDataset of those.'
    )


def copy_parts(dataset: Any, copies: dict[int, BaseDataset]) -> Any:
    """Copies ``dataset`` with each part replaced by its entry in ``copies``, by ``id`` of the part."""
    if not isinstance(dataset, ConcatDataset):
        return copies[id(dataset)]
    twin = copy.copy(dataset)
    twin.datasets = [copy_parts(child, copies) for child in dataset.datasets]
    return twin


def _insert(node: Any, mapper: MapLabels) -> tuple[Any, int]:
    """Returns ``node`` with ``mapper`` after every loader of annotations, and the number of loaders."""
    if isinstance(node, MapLabels):
        raise ConfigError(
            'IncrementalDataset.dataset.pipeline: already contains MapLabels; wrap the plain data set, only once.'
        )
    if isinstance(node, (list, tuple)):
        nodes: list[Any] = []
        found = 0
        for child in node:
            twin, inside = _insert(child, mapper)
            nodes.append(twin)
            found += inside
            if isinstance(child, LABEL_LOADERS):
                nodes.append(mapper)
                found += 1
        return nodes, found
    found = 0
    for name in NESTING:
        if isinstance(inner := getattr(node, name, None), (list, tuple)) or hasattr(inner, 'transforms'):
            twin, inside = _insert(inner, mapper)
            if inside:
                node = copy.copy(node)
                setattr(node, name, twin)
                found += inside
    return node, found


def loads_labels(part: BaseDataset) -> bool:
    """Whether the pipeline of a plain data set loads annotations."""
    return any(isinstance(transform, LABEL_LOADERS) for transform in transforms_of(part.pipeline))


def with_label_map(part: BaseDataset, mapper: MapLabels, required: bool) -> BaseDataset:
    """Copies a data set and inserts ``mapper`` right after its pipeline loads annotations.

    The list of images is shared; the original and its pipeline do not change. The copy has its own transforms, so that
    one with a memory does not carry it over to other steps.

    Args:
        part: A plain data set.
        mapper: The transform.
        required: Whether the pipeline must load annotations.

    Raises:
        ConfigError: If it must but does not, or if it already contains ``MapLabels``.
    """
    try:
        own = copy.deepcopy(part.pipeline)
    except TypeError:  # a transform holds what cannot be copied, such as an open file
        own = part.pipeline
    pipeline, found = _insert(own, mapper)
    if not found and required:
        raise ConfigError(
            f'{type(part).__name__}.pipeline: has neither LoadAnnotations nor a class derived from it, '
            f'so there are no labels to map. Found: {pipeline}'
        )
    if not found:
        # There is nothing to map, but predictions must not be shifted back as if the loader had run.
        pipeline = copy.copy(own)
        pipeline.transforms = [mapper, *pipeline.transforms]
    twin = copy.copy(part)
    twin.pipeline = pipeline
    return twin


def check_inside(part: BaseDataset, infos: list[dict[str, Any]]) -> None:
    """Refuses image lists with entries that point outside the data set's folders.

    Raises:
        ConfigError: Naming the list and the entry.
    """
    for key in ('img_path', 'seg_map_path'):
        prefix = part.data_prefix.get(key)
        if not prefix:
            continue
        for info in infos:
            path = info.get(key, '')
            if path.startswith(prefix) and '..' not in path[len(prefix) :]:
                continue
            inside = osp.relpath(osp.normpath(path), osp.normpath(prefix))
            if inside.split(osp.sep)[0] == osp.pardir:
                raise ConfigError(f'{part.ann_file or prefix}: entry {path!r} is outside the data set ({prefix}).')
