"""Masks in colour with a table of colours, such as CVAT's 'segmentation mask' and CamVid's class_dict.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from mmciss.datasets.label_formats.export import ImageLabels, LabelExport, Source
from mmciss.errors import ConfigError, first_line

CVAT_TABLE = 'labelmap.txt'
_FOLDER = 'SegmentationClass'
"""Where CVAT puts the masks of classes, beside those of single objects."""


class ColorMasks(LabelExport):
    """A folder of PNG masks in which a colour means a class, and a table of colours in it.

    The table is ``labelmap.txt`` with lines ``name:red,green,blue::`` (CVAT), or a CSV file with the columns ``name``,
    ``r``, ``g`` and ``b``.
    """

    kind = 'colour masks'

    def __init__(self, source: Source) -> None:
        table = find_table(source.path)
        assert table is not None
        self._table = table
        colors = read_table(table)
        folder = source.path / _FOLDER if (source.path / _FOLDER).is_dir() else source.path
        self._files = [path for path in Source(folder).files if path.suffix.lower() == '.png']
        names = [path.relative_to(folder).as_posix() for path in self._files]
        super().__init__(source, list(colors), names)
        self._colors = {_code(np.array(color)).item(): name for name, color in colors.items()}

    @classmethod
    def recognizes(cls, source: Source) -> bool:
        """A folder with a table of colours and masks in these colours; other palettes, and grey, hold ids."""
        table = find_table(source.path) if source.path.is_dir() else None
        first = next((path for path in source.files if path.suffix.lower() == '.png'), None) if table else None
        if table is None or first is None:
            return False
        try:
            with Image.open(first) as file:
                if file.mode != 'P':
                    return file.mode in ('RGB', 'RGBA')
                # Tools that make files smaller number the colours as they like, so that numbers say nothing.
                shown = set(np.unique(_code(np.asarray(file.convert('RGB')))).tolist())
                return shown <= {_code(np.array(color)).item() for color in read_table(table).values()}
        except OSError:
            return False

    def read(self, index: int, size: tuple[int, int]) -> ImageLabels:
        """Looks up the colours of a mask."""
        path = self._files[index]
        try:
            with Image.open(path) as file:
                pixels = np.asarray(file.convert('RGB'))
        except (OSError, ValueError) as error:
            raise ConfigError(f'{path}: cannot be read ({first_line(error)})') from error
        if pixels.shape[:2] != size:
            raise ConfigError(
                f'{path}: has {pixels.shape[1]}x{pixels.shape[0]} pixels, its image has {size[1]}x{size[0]}'
            )
        found, inverse = np.unique(_code(pixels), return_inverse=True)
        strange = [code for code in found.tolist() if code not in self._colors]
        if strange:
            row, column = np.argwhere(inverse.reshape(size) == np.searchsorted(found, strange[0]))[0]
            raise ConfigError(
                f'{path}: the colour {_text(strange[0])} at x={column}, y={row} is not in {self._table}. Allowed are '
                f'{", ".join(f"{_text(code)} ({name})" for code, name in self._colors.items())}. (Masks must not be '
                f'resized with interpolation; colours to ignore may be called ignore.)'
            )
        values = np.array([self.ids[self._colors[code]] for code in found.tolist()], np.uint8)
        return ImageLabels(values[inverse].reshape(size))


def find_table(folder: Path) -> Path | None:
    """Returns the table of colours in a folder, None if there is none."""
    named = folder / CVAT_TABLE
    return named if named.is_file() else next((path for path in sorted(folder.glob('*.csv')) if _is_table(path)), None)


def read_table(path: Path) -> dict[str, tuple[int, ...]]:
    """Reads a table of colours.

    Raises:
        ConfigError: Naming the line that is wrong.
    """
    colors: dict[str, tuple[int, ...]] = {}
    text = path.read_text(encoding='utf-8-sig')
    if path.name == CVAT_TABLE:
        parts = [(line, *f'{line}::'.split(':')[:2]) for line in text.splitlines() if line.strip() and line[0] != '#']
        rows = [(line, name.strip(), values.split(',')) for line, name, values in parts]
    else:
        keys = ('r', 'g', 'b')
        table = csv.DictReader(text.splitlines(), skipinitialspace=True)
        rows = [(str(row), str(row['name']).strip(), [str(row[key]) for key in keys]) for row in table]
    for line, name, values in rows:
        color = tuple(int(value) for value in values if value.strip().isdecimal())
        if not name or len(values) != 3 or len(color) != 3 or max(color) > 255:
            raise ConfigError(f'{path}: {line!r}; needed are a name and three numbers from 0 to 255')
        if name in colors or color in colors.values():
            raise ConfigError(f'{path}: {line!r}; its name or colour is there already')
        colors[name] = color
    return colors


def _is_table(path: Path) -> bool:
    with path.open(encoding='utf-8-sig', errors='replace') as file:
        columns = [name.strip().strip('"') for name in file.readline().split(',')]
    return set(columns) >= {'name', 'r', 'g', 'b'}


def _code(pixels: np.ndarray) -> np.ndarray:
    """Returns one number per colour ``(..., 3)``."""
    return pixels.astype(np.int64) @ np.array([65536, 256, 1])


def _text(code: int) -> str:
    return f'{code >> 16},{code >> 8 & 255},{code & 255}'
