"""Writes the labels of an export as palette PNG masks, which every part of mmciss reads."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mmciss.datasets.image_files import IMAGES, image_size
from mmciss.datasets.label_formats.export import IGNORED_NAMES, ImageLabels, LabelExport, Source
from mmciss.datasets.label_formats.match import image_files, match_images
from mmciss.errors import ConfigError, prefixed, unknown_name
from mmciss.protocols.labels import BACKGROUND_NAMES, IGNORE
from mmciss.utils.files import file_checksum, read_json, value_checksum, write_json, write_text
from mmciss.utils.palettes import voc_palette

PALETTE = np.array(voc_palette(), dtype=np.uint8)
"""Colours of the ids in the masks, those of Pascal VOC ``(256, 3)``."""
_RECORD = 'conversion.json'


@dataclass(frozen=True)
class Conversion:
    """What was written, and what was understood.

    Attributes:
        folder: Where.
        kind: The format.
        names: Names by id, the background included if there is one.
        pairs: Image and mask; one pair per image with labels.
        images, pixels: Number of images and pixels by id ``(256,)``.
        unlabelled: Images that nobody labelled.
        missing: Names in the export without an image.
        overlaps: Images with pixels of two classes, and the number of such pixels.
        notes: What else was found, with how often.
    """

    folder: Path
    kind: str
    names: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    images: np.ndarray
    pixels: np.ndarray
    unlabelled: tuple[str, ...]
    missing: tuple[str, ...]
    overlaps: tuple[int, int]
    notes: dict[str, int]

    @classmethod
    def load(cls, folder: Path) -> Conversion | None:
        """Reads what :func:`convert_labels` has written; None if there is nothing."""
        content = read_json(folder / _RECORD)
        if content is None:
            return None
        return cls(
            folder,
            content['kind'],
            tuple(content['names']),
            tuple((image, str(folder / mask)) for image, mask in content['pairs']),
            np.array(content['images']),
            np.array(content['pixels']),
            tuple(content['unlabelled']),
            tuple(content['missing']),
            (content['overlaps'][0], content['overlaps'][1]),
            content['notes'],
        )

    def lines(self) -> list[str]:
        """Describes the conversion in sentences."""
        lines = [f'{self.kind}: {len(self.pairs)} images with labels, {len(self.names)} classes.']
        total = max(1, int(self.pixels.sum()))
        for number, name in [*enumerate(self.names), (IGNORE, 'ignored')]:
            if number < IGNORE or self.pixels[number]:
                share = 100 * self.pixels[number] / total
                lines.append(
                    f'  {number:3} {name}: {self.images[number]} images, {self.pixels[number]} pixels ({share:.2g} %)'
                )
        for what, items in (
            ('images have no labels and are left out', self.unlabelled),
            ('labels have no image and are left out', self.missing),
        ):
            if items:
                lines.append(f'{len(items)} {what}, such as {items[0]}.')
        return lines + self.warnings()

    def warnings(self) -> list[str]:
        """Describes what is worth a look."""
        lines = [f'Warning: {count} {text}.' for text, count in self.notes.items()]
        if self.overlaps[0]:
            lines.append(
                f'Warning: regions of different classes overlap in {self.overlaps[0]} images ({self.overlaps[1]} '
                f'pixels); the later one covers the earlier one.'
            )
        return lines


def convert_labels(
    export: LabelExport,
    images: str | Path,
    out: str | Path,
    classes: Sequence[str] | None = None,
    background: bool = True,
    keep_empty: bool = False,
) -> Conversion:
    """Writes ``masks`` (palette PNG), ``images.txt``, ``classes.txt`` and ``conversion.json`` into a new folder.

    Args:
        export: The labels.
        images: Folder of the images.
        out: The folder; it must be empty or not exist.
        classes: The classes in the order of ids, instead of the order of the export.
        background: Whether pixels without a label are background, id 0; otherwise they are ignored, and the ids of
            classes start at 0.
        keep_empty: Whether to write masks of images that no one labelled too.

    Raises:
        ConfigError: Naming the file and the value that is wrong; then nothing is written.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f'--out: {out} exists; choose a new or empty folder, files are never overwritten')
    names, table = _ids(export, check_classes(export, classes, background), background)
    files = image_files(images)
    with prefixed(str(export.path)):
        matched = match_images(export.images, files, images)
    if not any(matched):
        raise ConfigError(f'{export.path}: none of its images, such as {export.images[0]}, is in {images}')
    temporary = out.with_name(f'.{out.name}.{os.getpid()}.tmp')
    temporary.mkdir(parents=True)
    pairs, counts = [], _Counts()
    try:
        for index, file in enumerate(matched):
            if file is None:
                continue
            labels = export.read(index, _size(file))
            if labels.labelled or keep_empty:
                place = Path('masks') / file.relative_to(images).with_suffix('.png')
                mask = table[labels.mask]
                _write_mask(temporary / place, mask)
                counts.add(mask, labels)
                pairs.append((str(file), str(out / place)))
        if not pairs:
            raise ConfigError(f'{export.path}: nobody labelled any of the images in {images}')
        conversion = Conversion(
            out,
            export.kind,
            names,
            tuple(sorted(pairs)),
            counts.images,
            counts.pixels,
            tuple(sorted({str(file) for file in files} - {image for image, _ in pairs})),
            tuple(name for name, file in zip(export.images, matched, strict=True) if file is None),
            (counts.overlapping_images, counts.overlapping_pixels),
            {text: count for text, count in counts.notes.items() if count},
        )
        _write_lists(conversion, temporary)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return conversion


def convert_once(export: LabelExport, images: str | Path, folder: Path) -> Conversion:
    """Converts an export into a new folder below ``folder``, unless that was done before.

    The name of the new folder depends on the content of export and images, so that nothing is overwritten.
    """
    content = [file_checksum(path) for path in Source(export.path).files]
    out = folder / f'labels_{value_checksum([content, list(map(str, image_files(images)))])[:12]}'
    return Conversion.load(out) or convert_labels(export, images, out)


@dataclass
class _Counts:
    """What was found in the masks written so far; see :class:`Conversion`."""

    images: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    overlapping_images: int = 0
    overlapping_pixels: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, mask: np.ndarray, labels: ImageLabels) -> None:
        """Counts a mask of ids, and what was found while its labels were read."""
        pixels = np.bincount(mask.ravel(), minlength=256)
        self.pixels += pixels
        self.images += pixels > 0
        self.overlapping_images += labels.overlap > 0
        self.overlapping_pixels += labels.overlap
        self.notes.update(labels.notes)


def _ids(export: LabelExport, order: tuple[str, ...], background: bool) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the names by id, and the id of every value of the export's masks ``(256,)``."""
    table = np.full(256, IGNORE, np.uint8)
    table[0] = 0 if background else IGNORE
    for name, number in export.ids.items():
        if name not in export.special:
            table[number] = order.index(name) + background
    return ('background',) * background + order, table


def check_classes(
    export: LabelExport, classes: Sequence[str] | None, background: bool = True, flag: str = '--classes'
) -> tuple[str, ...]:
    """Returns the classes in the order of ids.

    ``classes.txt`` of another conversion begins with the background, so it may be listed first; it is left out here.

    Raises:
        ConfigError: If the export has a class that is not listed; if a name is empty, repeated, or not that of a class.
    """
    if classes is None:
        return export.classes
    classes = [name.strip() for name in classes]
    if background and classes and classes[0].lower() in BACKGROUND_NAMES:
        classes = classes[1:]
    if not classes or not all(classes):
        raise ConfigError(f'{flag}: {list(classes)}; give the names of all classes')
    for name in classes if background else ():
        if name.lower() in (*BACKGROUND_NAMES, *IGNORED_NAMES):
            raise ConfigError(
                f'{flag}: {name!r} is no class: its pixels are {"ignored" if name.lower() in IGNORED_NAMES else "id 0"}'
            )
    for name in export.classes:
        if name not in classes:
            raise unknown_name(f'class of {export.path}', name, classes, flag)
    if repeated := [name for name, count in Counter(map(str.lower, classes)).items() if count > 1]:
        raise ConfigError(f'{flag}: {repeated[0]} is listed twice')
    return tuple(classes)


def _size(file: Path) -> tuple[int, int]:
    try:
        size = image_size(str(file), IMAGES)
    except ValueError as error:
        raise ConfigError(f'{file}: {error}') from error
    if size is None:
        raise ConfigError(f'{file}: has an unknown format, so its size is unknown')
    return size.height, size.width


def _write_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(mask, mode='P')
    picture.putpalette(PALETTE.ravel().tolist())
    picture.save(path, optimize=True)


def _write_lists(conversion: Conversion, folder: Path) -> None:
    """Writes the images, the classes, and all that was found."""
    masks = [Path(mask).relative_to(conversion.folder).as_posix() for _, mask in conversion.pairs]
    names = [mask.removeprefix('masks/').removesuffix('.png') for mask in masks]
    write_text(folder / 'images.txt', ''.join(f'{name}\n' for name in names))
    write_text(folder / 'classes.txt', ''.join(f'{name}\n' for name in conversion.names))
    content = {
        'kind': conversion.kind,
        'names': conversion.names,
        'palette': PALETTE[: len(conversion.names)].tolist(),
        'pairs': [[image, mask] for (image, _), mask in zip(conversion.pairs, masks, strict=True)],
        'images': conversion.images.tolist(),
        'pixels': conversion.pixels.tolist(),
        'unlabelled': conversion.unlabelled,
        'missing': conversion.missing,
        'overlaps': conversion.overlaps,
        'notes': conversion.notes,
    }
    write_json(folder / _RECORD, content)
