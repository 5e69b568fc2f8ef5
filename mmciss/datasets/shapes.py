"""The embedded data set: twenty drawn shapes, in VOC format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmciss.datasets.shape_files import check_version, ensure_shapes, voc_palette
from mmciss.datasets.shape_pictures import NAMES


@DATASETS.register_module()
class ShapesDataset(BaseSegDataset):
    """Pictures of drawn shapes, made on first use (about 20 s), so that every machine has data.

    Each picture of 96x96 pixels shows two to five objects of different classes, partly covering
    each other, on varied backgrounds; labels have a border of 255 as in VOC. See
    :mod:`mmciss.datasets.shape_pictures` for what tells the classes apart.

    Args:
        ann_file: Image list below ``data_root``.
        data_root: Folder of the data set, drawn if it does not exist.
        data_prefix: Folders of images and masks below ``data_root``.
        drawing: Arguments of :func:`mmciss.datasets.shape_files.ensure_shapes` other than the
            folder: ``seed``, ``train``, ``val``, ``side``.
        **kwargs: As for ``BaseSegDataset``.

    Raises:
        ConfigError: If ``data_root`` holds something else, or pictures of another version.
    """

    METAINFO = dict(classes=('background', *NAMES), palette=voc_palette(len(NAMES) + 1))

    def __init__(
        self,
        ann_file: str = 'ImageSets/Segmentation/train.txt',
        data_root: str = 'data/shapes',
        data_prefix: dict[str, str] | None = None,
        drawing: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        if drawing is not None or not (Path(data_root) / 'ImageSets').exists():
            ensure_shapes(data_root, **(drawing or {}))
        check_version(data_root)
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix or dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            **{'img_suffix': '.png', 'seg_map_suffix': '.png', **kwargs},
        )
