"""Cityscapes with a background: the labels of AWT's class-incremental protocols."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset, CityscapesDataset
from mmseg.registry import DATASETS

CLASS_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The ids of the 19 classes in the files ``*_gtFine_labelIds.png``, in MMSegmentation's order."""
NUM_IDS = 34
_NAMES = {0: 'background', **dict(zip(CLASS_IDS, CityscapesDataset.METAINFO['classes'], strict=True))}
_COLOURS = dict(zip(CLASS_IDS, CityscapesDataset.METAINFO['palette'], strict=True))


@DATASETS.register_module()
class CityscapesLabelIdsDataset(BaseSegDataset):
    """Cityscapes (Cordts et al., CVPR 2016) as AWT reads it: id 0 is background, things without a class are ignored.

    ``*_gtFine_labelIds.png`` are the masks of the download. Pixels that nobody labelled (id 0) are the background; the
    vehicle itself, parking, bridges and the other eleven ids that are not among the 19 classes are 255.
    MMSegmentation's own data set reads ``*_labelTrainIds.png``, in which all of these are 255.

    Args:
        img_suffix: End of the images' names.
        seg_map_suffix: End of the masks' names.
        metainfo: Other classes than all 19 and the background.
        **kwargs: As for ``BaseSegDataset``.
    """

    METAINFO: ClassVar[dict[str, Any]] = dict(
        classes=tuple(_NAMES.get(index, f'id {index}') for index in range(NUM_IDS)),
        palette=[_COLOURS.get(index, [0, 0, 0]) for index in range(NUM_IDS)],
    )

    def __init__(
        self,
        img_suffix: str = '_leftImg8bit.png',
        seg_map_suffix: str = '_gtFine_labelIds.png',
        metainfo: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # Classes that differ from those of METAINFO are what makes MMSegmentation map ids.
        metainfo = {'classes': tuple(_NAMES.values()), **(metainfo or {})}
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, metainfo=metainfo, **kwargs)
