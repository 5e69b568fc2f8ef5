"""CVAT for images 1.1: polygons, boxes, ellipses and masks of all images in one XML file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import numpy as np

from mmciss.datasets.label_formats.export import Region, RegionExport, Source
from mmciss.datasets.label_formats.shapes import ellipse, polygon_mask, turned
from mmciss.errors import ConfigError, first_line, prefixed, unknown_name

_WITHOUT_AREA = ('polyline', 'points', 'skeleton', 'cuboid')
_NO_SHAPES = ('tag',)


class CvatExport(RegionExport):
    """``annotations.xml`` of 'CVAT for images 1.1', https://docs.cvat.ai/docs/manual/advanced/xml_format/."""

    kind = 'CVAT for images'

    def __init__(self, source: Source) -> None:
        root = source.xml
        assert root is not None
        if root.find('track') is not None:
            raise ConfigError(f"{source.path}: is 'CVAT for video'; export the task as 'CVAT for images 1.1'")
        self._elements = root.findall('image')
        listed = [label.findtext('name') or '' for label in root.iterfind('meta//labels/label')]
        used = {shape.get('label', '') for image in self._elements for shape in image if shape.tag not in _NO_SHAPES}
        for image in self._elements:
            for shape in image:
                if listed and shape.tag not in _NO_SHAPES and shape.get('label') not in listed:
                    raise unknown_name(
                        'label', shape.get('label'), listed, f'{source.path}: {image.get("name")}: {shape.tag}'
                    )
        super().__init__(source, listed or sorted(used), [image.get('name', '') for image in self._elements])

    @classmethod
    def recognizes(cls, source: Source) -> bool:
        """An XML file whose root is called ``annotations``."""
        return source.xml is not None and source.xml.tag == 'annotations'

    def size(self, index: int) -> tuple[int, int]:
        """Returns height and width as the file has them."""
        image = self._elements[index]
        with prefixed(f'{self.path}: {image.get("name")}'):
            height, width = _numbers(image, 'height', 'width')
        return int(height), int(width)

    def labelled(self, index: int) -> bool:
        """CVAT does not tell an image without objects from one that nobody labelled."""
        return len(self._elements[index]) > 0

    def regions(self, index: int, size: tuple[int, int], notes: Counter[str]) -> Iterator[Region]:
        """Yields the shapes of an image, the lowest first."""
        image = self._elements[index]
        shapes = [shape for shape in image if shape.tag not in _NO_SHAPES]
        with prefixed(f'{self.path}: {image.get("name")}'):
            shapes.sort(key=lambda shape: _numbers(shape, 'z_order')[0] if shape.get('z_order') else 0)
        for shape in shapes:
            if shape.tag in _WITHOUT_AREA:
                notes[f'shapes of type {shape.tag}, which have no area, left out'] += 1
                continue
            with prefixed(f'{self.path}: {image.get("name")}: {shape.tag}'):
                yield Region(shape.get('label', ''), _mask(shape, size))


def _mask(shape: Element, size: tuple[int, int]) -> np.ndarray:
    """Returns the pixels of a shape."""
    degrees = _numbers(shape, 'rotation')[0] if shape.get('rotation') else 0.0
    if shape.tag == 'polygon':
        points = [pair.split(',') for pair in shape.get('points', '').split(';')]
        return polygon_mask(points, size)
    if shape.tag == 'box':
        left, top, right, bottom = _numbers(shape, 'xtl', 'ytl', 'xbr', 'ybr')
        centre = np.array([(left + right) / 2, (top + bottom) / 2])  # CVAT turns boxes about their centre
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return polygon_mask(turned(corners - centre, degrees) + centre, size)
    if shape.tag == 'ellipse':
        x, y, radius_x, radius_y = _numbers(shape, 'cx', 'cy', 'rx', 'ry')
        return polygon_mask(ellipse(x, y, radius_x, radius_y, degrees), size)
    if shape.tag == 'mask':
        return _run_lengths(shape, size)
    raise unknown_name('shape', shape.tag, ('polygon', 'box', 'ellipse', 'mask'), 'element')


def _run_lengths(shape: Element, size: tuple[int, int]) -> np.ndarray:
    """Decodes counts of pixels outside and inside, in turns, along the rows of a box."""
    left, top, width, height = (int(value) for value in _numbers(shape, 'left', 'top', 'width', 'height'))
    texts = (shape.get('rle') or '').split(',')
    counts = [int(text) for text in texts if text.strip().isdecimal()]
    if len(counts) != len(texts) or sum(counts) != width * height:
        raise ConfigError(f'rle: must be counts of {width * height} pixels altogether, found {sum(counts)}')
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise ConfigError(f'{width}x{height} pixels at ({left}, {top}) exceed the image of {size[1]}x{size[0]}')
    out = np.zeros(size, dtype=bool)
    inside = np.arange(len(counts)) % 2 == 1
    out[top : top + height, left : left + width] = np.repeat(inside, counts).reshape(height, width)
    return out


def _numbers(shape: Element, *keys: str) -> list[float]:
    """Returns attributes as numbers."""
    try:
        return [float(shape.attrib[key]) for key in keys]
    except (KeyError, ValueError) as error:
        raise ConfigError(f'needs the numbers {", ".join(keys)}: {first_line(error)}') from error
