"""Masks that are given as the export of a labelling tool: converted into the work directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmciss.datasets.label_formats import Conversion, LabelExport, convert_labels
from mmciss.datasets.label_formats.export import Source
from mmciss.datasets.label_formats.match import image_files
from mmciss.errors import ConfigError, prefixed, unknown_name
from mmciss.extend.pairs import LabelledData, Pair
from mmciss.utils.files import file_checksum, value_checksum


def data_of_export(
    export: LabelExport, images: str | Path, folder: str | Path, flags: Sequence[str], classes: Sequence[str] = ()
) -> LabelledData:
    """Converts an export, unless that was done before, and returns its pairs.

    Args:
        export: The labels.
        images: Folder of the images; those without labels are left out.
        folder: Where a folder for the masks is made. Its name depends on the content, so that nothing is overwritten.
        flags: The flags that named images and labels.
        classes: Names that the export must have, in upper or lower case.

    Raises:
        ConfigError: Naming the flag, the file and the value that is wrong.
    """
    known = {name.lower() for name in export.classes}
    for name in classes:
        if name.lower() not in known:
            raise unknown_name(f'class of {export.path}', name, export.classes, '--classes')
    with prefixed(flags[1]):
        content = [file_checksum(path) for path in Source(export.path).files]
        used = value_checksum([content, list(map(str, image_files(images)))])
        out = Path(folder) / f'labels_{used[:12]}'
        conversion = Conversion.load(out) or convert_labels(export, images, out)
        if conversion.missing:
            raise ConfigError(
                f'{export.path} labels {len(conversion.missing)} images that are not in {images}, such as '
                f'{conversion.missing[0]}'
            )
    notes = conversion.warnings()
    if conversion.unlabelled:
        notes.insert(0, f'{len(conversion.unlabelled)} images in {images} have no labels and are left out.')
    pairs = tuple(Pair(*pair) for pair in conversion.pairs)
    return LabelledData(f'{flags[1]} {export.path}', pairs, conversion.names, notes=tuple(notes))
