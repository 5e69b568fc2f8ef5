"""voc6: photographs of six PASCAL VOC classes, few enough to learn from on a CPU."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class Voc6Dataset(BaseSegDataset):
    """Photographs of people and five kinds of animals from PASCAL VOC 2012, shorter side 256 pixels.

    VOC's other fourteen classes and object borders are 255 in the masks. Everingham et al., IJCV 2015; Hariharan et
    al., ICCV 2011.

    Args:
        ann_file: Image list below ``data_root``.
        data_root: Folder ``.../VOCdevkit/VOC2012``.
        data_prefix: Folders of images and masks below ``data_root``.
        **kwargs: As for ``BaseSegDataset``.
    """

    METAINFO: ClassVar[dict[str, Any]] = dict(
        classes=('background', 'cat', 'cow', 'dog', 'horse', 'person', 'sheep'),
        palette=[[0, 0, 0], [64, 0, 0], [64, 128, 0], [64, 0, 128], [192, 0, 128], [192, 128, 128], [128, 64, 0]],
    )

    def __init__(
        self,
        ann_file: str = 'ImageSets/Segmentation/train_aug.txt',
        data_root: str | None = None,
        data_prefix: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix or dict(img_path='JPEGImages', seg_map_path='SegmentationVoc6'),
            **{'img_suffix': '.jpg', 'seg_map_suffix': '.png', **kwargs},
        )
