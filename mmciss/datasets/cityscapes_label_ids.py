"""Cityscapes with a background: the labels of AWT's class-incremental protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset, CityscapesDataset
from mmseg.registry import DATASETS

CLASS_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The ids of the 19 classes in the files ``*_gtFine_labelIds.png``, in MMSegmentation's order."""
NUM_IDS = 34


@DATASETS.register_module()
class CityscapesLabelIdsDataset(BaseSegDataset):
    """Cityscapes (Cordts et al., CVPR 2016) as AWT reads it: id 0 is background, things without a class are ignored.

    ``*_gtFine_labelIds.png`` are the masks of the download. Pixels that nobody labelled (id 0) are the background; the
    vehicle itself, parking, bridges and the other eleven ids that are not among the 19 classes are 255.
    MMSegmentation's own data set reads ``*_labelTrainIds.png``, in which all of these are 255.

    Args:
        img_suffix: End of the images' names.
        seg_map_suffix: End of the masks' names.
        **kwargs: As for ``BaseSegDataset``.
    """

    METAINFO: ClassVar[dict[str, Any]] = dict(
        classes=('background', *CityscapesDataset.METAINFO['classes']),
        palette=[[0, 0, 0], *CityscapesDataset.METAINFO['palette']],
    )

    def __init__(
        self, img_suffix: str = '_leftImg8bit.png', seg_map_suffix: str = '_gtFine_labelIds.png', **kwargs: Any
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Returns the class of every id in the masks; 255 for ids without one.

        Args:
            new_classes: The classes to tell apart, if not all.

        Raises:
            ValueError: If one of them is unknown.
        """
        known = cls.METAINFO['classes']
        wanted = list(known if new_classes is None else new_classes)
        if unknown := [name for name in wanted if name not in known]:
            raise ValueError(f'metainfo.classes: {unknown} are not among the classes of {cls.__name__}: {known}')
        names = dict(zip((0, *CLASS_IDS), known, strict=True))
        return {index: wanted.index(names[index]) if names.get(index) in wanted else 255 for index in range(NUM_IDS)}

    def _update_palette(self) -> list[list[int]]:
        """Returns the colours of the classes; MMSegmentation takes ids in the masks for positions in METAINFO."""
        colours = dict(zip(self.METAINFO['classes'], self.METAINFO['palette'], strict=True))
        given, classes = self._metainfo['palette'], self._metainfo['classes']
        return given if len(given) == len(classes) else [colours[name] for name in classes]
