"""Finds out which format a file or folder has."""

from __future__ import annotations

from pathlib import Path

from mmciss.datasets.label_formats.coco import CocoExport
from mmciss.datasets.label_formats.color_masks import ColorMasks
from mmciss.datasets.label_formats.cvat import CvatExport
from mmciss.datasets.label_formats.export import LabelExport, Source
from mmciss.datasets.label_formats.label_studio import LabelStudioExport
from mmciss.datasets.label_formats.labelme import LabelmeExport
from mmciss.errors import ConfigError

FORMATS = (ColorMasks, LabelmeExport, CocoExport, CvatExport, LabelStudioExport)
EXPECTED = (
    'a folder with labelmap.txt (CVAT) or a CSV file with the columns name, r, g, b (colour masks); a folder with '
    "labelme's JSON files; a COCO .json; the .xml of 'CVAT for images 1.1'; Label Studio's export 'JSON'"
)


def find_export(path: str | Path) -> LabelExport | None:
    """Opens an export; returns None for a folder of other files (such as index masks) and for what is not there.

    Raises:
        ConfigError: If it is a file of no known format, or an export that is damaged.
    """
    source = Source(Path(path))
    kind = next((kind for kind in FORMATS if kind.recognizes(source)), None)
    if kind is not None:
        return kind(source)
    if source.path.is_file():
        raise ConfigError(f'{path}: is no export that is known. Allowed are {EXPECTED}.')
    return None


def open_export(path: str | Path) -> LabelExport:
    """Opens an export.

    Raises:
        ConfigError: If there is none, or it is damaged.
    """
    export = find_export(path)
    if export is None:
        what = 'is no export that is known' if Path(path).is_dir() else 'does not exist'
        raise ConfigError(f'{path}: {what}. Allowed are {EXPECTED}.')
    return export
