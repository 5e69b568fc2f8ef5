"""labelme: one JSON file beside each image."""

from __future__ import annotations

import base64
import binascii
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image

from mmciss.datasets.label_formats.export import Region, RegionExport, Source, read_json_file
from mmciss.datasets.label_formats.shapes import ellipse, polygon_mask
from mmciss.errors import ConfigError, first_line, prefixed, unknown_name
from mmciss.utils.files import read_json


class LabelmeExport(RegionExport):
    """A folder of labelme's JSON files, https://github.com/wkentaro/labelme, or one of them.

    Classes are sorted by name, since the files do not list them.
    """

    kind = 'labelme JSON'

    def __init__(self, source: Source) -> None:
        self._files = [path for path in source.files if path.suffix.lower() == '.json']
        self._content = [read_json_file(path) for path in self._files]
        labels, names = set(), []
        for path, content in zip(self._files, self._content, strict=True):
            if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
                raise ConfigError(f'{path}: has no list "shapes", as files of labelme do; move it elsewhere')
            try:
                labels |= {str(shape['label']) for shape in content['shapes']}
            except (KeyError, TypeError) as error:
                raise ConfigError(f'{path}: a shape has no {first_line(error)}') from error
            own = PureWindowsPath(str(content.get('imagePath') or path.with_suffix('').name)).name
            folder = path.parent.relative_to(source.path) if source.path.is_dir() else Path()
            names.append((folder / own).as_posix())
        super().__init__(source, sorted(labels), names)

    @classmethod
    def recognizes(cls, source: Source) -> bool:
        """A JSON object with shapes, or a folder with one."""
        if source.path.is_dir():
            first = next((path for path in source.files if path.suffix.lower() == '.json'), None)
            content = read_json(first) if first else None  # a folder of masks may hold any other file
            return isinstance(content, dict) and 'shapes' in content
        return isinstance(source.json, dict) and 'shapes' in source.json

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns height and width as the file has them."""
        height, width = (self._content[index].get(key) for key in ('imageHeight', 'imageWidth'))
        return (int(height), int(width)) if height and width else None

    def regions(self, index: int, size: tuple[int, int], notes: Counter[str]) -> Iterator[Region]:
        """Yields the shapes of an image in the order of the file."""
        for number, shape in enumerate(self._content[index]['shapes']):
            with prefixed(f'{self._files[index]}: shapes[{number}]'):
                mask = _mask(shape, size)
            if mask is None:
                notes[f'shapes of type {shape["shape_type"]}, which have no area, left out'] += 1
            else:
                yield Region(str(shape['label']), mask)


def _mask(shape: dict[str, Any], size: tuple[int, int]) -> np.ndarray | None:
    """Returns the pixels of a shape; None if it has no area."""
    kind, points = shape.get('shape_type') or 'polygon', shape.get('points')
    if kind in ('point', 'points', 'line', 'linestrip'):
        return None
    if kind in ('polygon', 'oriented_rectangle'):
        return polygon_mask(points or [], size)
    try:
        (left, top), (right, bottom) = [(float(x), float(y)) for x, y in points or ()]
    except (TypeError, ValueError):
        raise ConfigError(f'points of a {kind} must be two points, found {str(points)[:80]}') from None
    if kind == 'rectangle':
        return polygon_mask([(left, top), (right, top), (right, bottom), (left, bottom)], size)
    if kind == 'circle':
        radius = float(np.hypot(right - left, bottom - top))  # the second point lies on the circle
        return polygon_mask(ellipse(left, top, radius, radius), size)
    if kind == 'mask':
        return _stored_mask(shape.get('mask'), round(left), round(top), size)
    raise unknown_name('shape', kind, ('polygon', 'rectangle', 'oriented_rectangle', 'circle', 'mask'), 'shape_type')


def _stored_mask(text: Any, left: int, top: int, size: tuple[int, int]) -> np.ndarray:
    """Decodes a PNG whose left upper pixel belongs to the one given."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as file:
            part = np.asarray(file.convert('L')) > 0
    except (TypeError, ValueError, OSError, binascii.Error) as error:
        raise ConfigError(f'mask: is not a PNG in base64 ({first_line(error)})') from error
    out = np.zeros(size, dtype=bool)
    if left < 0 or top < 0 or left + part.shape[1] > size[1] or top + part.shape[0] > size[0]:
        raise ConfigError(
            f'mask: {part.shape[1]}x{part.shape[0]} pixels at ({left}, {top}) exceed the image of {size[1]}x{size[0]}'
        )
    out[top : top + part.shape[0], left : left + part.shape[1]] = part
    return out
