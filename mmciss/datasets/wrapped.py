"""Looking into the data set that is wrapped: its parts, its files, its pipelines."""

from __future__ import annotations

import copy
import os.path as osp
from typing import Any

from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.datasets.transforms import LoadBiomedicalAnnotation
from mmseg.registry import DATASETS

from mmciss.datasets.loaders import NESTING
from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.errors import ConfigError


def build_dataset(config: dict[str, Any]) -> Any:
    """Builds a data set of MMSegmentation.

    Raises:
        ConfigError: If it has no images, where mmengine fails in a sum over none.
    """
    try:
        return DATASETS.build(config)
    except ValueError as error:
        if 'need at least one array' not in str(error):
            raise
        raise ConfigError(
            f'{str(config.get("type")).rpartition(".")[2]}: no images: none in data_prefix.img_path '
            f'({(config.get("data_prefix") or {}).get("img_path")}) ends with img_suffix '
            f'({config.get("img_suffix", "the default of the data set")}).'
        ) from error


def parts_of(dataset: Any) -> list[BaseDataset]:
    """Returns the plain data sets inside ``dataset`` in index order.

    Raises:
        ConfigError: If it is something other than a plain or a concatenated data set.
    """
    if isinstance(dataset, ConcatDataset):
        return [part for child in dataset.datasets for part in parts_of(child)]
    if isinstance(dataset, BaseDataset):
        return [dataset]
    raise ConfigError(
        f'IncrementalDataset.dataset: cannot wrap {type(dataset).__name__}; allowed '
        'are data sets derived from BaseSegDataset and ConcatDataset of them.'
    )


def copy_parts(dataset: Any, copies: dict[int, BaseDataset]) -> Any:
    """Copies ``dataset`` with its parts replaced by ``copies``, by ``id`` of the original part."""
    if not isinstance(dataset, ConcatDataset):
        return copies[id(dataset)]
    twin = copy.copy(dataset)
    twin.datasets = [copy_parts(child, copies) for child in dataset.datasets]
    return twin


def _insert(node: Any, mapper: MapLabels) -> tuple[Any, int]:
    """Returns ``node`` with ``mapper`` after every loader of labels, and how many there were."""
    if isinstance(node, MapLabels):
        raise ConfigError(
            'IncrementalDataset.dataset.pipeline: holds MapLabels already; wrap the plain data set, once.'
        )
    if isinstance(node, (list, tuple)):
        nodes: list[Any] = []
        found = 0
        for child in node:
            twin, inside = _insert(child, mapper)
            nodes.append(twin)
            found += inside
            if isinstance(child, (LoadAnnotations, LoadBiomedicalAnnotation)):
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


def with_label_map(part: BaseDataset, mapper: MapLabels, required: bool) -> BaseDataset:
    """Copies a data set with ``mapper`` right after the annotations are loaded.

    The images are shared; the original and its pipeline stay as they are. The copy's pipeline is its own, so that a
    transform that remembers something remembers nothing of other steps.

    Args:
        part: A plain data set.
        mapper: The transform.
        required: Whether a pipeline that loads no annotations is an error.

    Raises:
        ConfigError: If nothing loads annotations although required, or ``MapLabels`` is there.
    """
    try:
        own = copy.deepcopy(part.pipeline)
    except TypeError:  # a transform holds what cannot be copied, such as an open file
        own = part.pipeline
    pipeline, found = _insert(own, mapper)
    if not found and required:
        raise ConfigError(
            f'{type(part).__name__}.pipeline: has no LoadAnnotations (or a class derived from it), '
            f'so there are no labels to map. Found: {pipeline}'
        )
    if not found:
        # Nothing to map, but what the loader would have done must not be undone in predictions.
        pipeline = copy.copy(own)
        pipeline.transforms = [mapper, *pipeline.transforms]
    twin = copy.copy(part)
    twin.pipeline = pipeline
    return twin


def check_inside(part: BaseDataset, infos: list[dict]) -> None:
    """Refuses image lists whose entries lead out of the data set's folders.

    Raises:
        ConfigError: Naming the list and the entry.
    """
    for key, prefix_key in (('img_path', 'img_path'), ('seg_map_path', 'seg_map_path')):
        prefix = part.data_prefix.get(prefix_key)
        if not prefix:
            continue
        for info in infos:
            path = info.get(key, '')
            if path.startswith(prefix) and '..' not in path[len(prefix) :]:
                continue
            inside = osp.relpath(osp.normpath(path), osp.normpath(prefix))
            if inside.split(osp.sep)[0] == osp.pardir:
                raise ConfigError(f'{part.ann_file or prefix}: entry {path!r} leads out of the data set ({prefix}).')
