"""Which decoders a pipeline reads its images and masks with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations as LoadSegAnnotations
from mmseg.registry import TRANSFORMS

from mmciss.datasets.image_files import MASKS, Reader

NESTING = ('transforms', 'subroutines')
"""Attributes in which transforms hold other transforms: Compose, RandomApply, RandomChoice, TestTimeAug."""


def readers_of(pipeline: Any) -> tuple[Reader | None, Reader | None]:
    """Returns how a built pipeline decodes images and masks; None for a custom loader, whose way is unknown.

    If a pipeline loads no masks, as test pipelines may, MMSegmentation's default is returned for them.

    Examples:
        >>> readers_of([LoadImageFromFile(color_type='color_ignore_orientation'), LoadSegAnnotations()])
        (Reader(backend='cv2', flag='color_ignore_orientation'), Reader(backend='pillow', flag='unchanged'))
    """
    images: Reader | None = None
    masks: Reader | None = MASKS
    for transform in transforms_of(pipeline):
        kind = type(transform)
        if isinstance(transform, LoadImageFromFile):
            if images is None and kind.transform is LoadImageFromFile.transform:
                images = Reader(transform.imdecode_backend, transform.color_type)
        elif isinstance(transform, LoadAnnotations):
            known = kind._load_seg_map in (LoadAnnotations._load_seg_map, LoadSegAnnotations._load_seg_map)
            masks = Reader(transform.imdecode_backend, MASKS.flag) if known else None
    return images, masks


def readers_of_configs(pipeline: Iterable[Mapping[str, Any]]) -> tuple[Reader | None, Reader | None]:
    """Returns the same as :func:`readers_of` for a pipeline's config, of which only the loaders are built."""
    loaders = []
    for config in pipeline:
        kind = config.get('type')
        kind = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type) and issubclass(kind, (LoadImageFromFile, LoadAnnotations)):
            loaders.append(TRANSFORMS.build(dict(config)))
    return readers_of(loaders)


def transforms_of(node: Any) -> Iterator[Any]:
    """Yields every transform of a pipeline in order, however deeply nested."""
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from transforms_of(child)
        return
    inner = [getattr(node, name) for name in NESTING if hasattr(node, name)]
    for child in inner:
        if child is not None:
            yield from transforms_of(child)
    if not inner:
        yield node
