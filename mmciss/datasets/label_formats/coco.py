"""COCO's segmentation format: polygons and run lengths in one JSON file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from mmciss.datasets.label_formats.export import Region, RegionExport, Source
from mmciss.datasets.label_formats.shapes import polygon_mask, turned_box
from mmciss.errors import ConfigError, first_line, prefixed


class CocoExport(RegionExport):
    """A JSON file with ``images``, ``annotations`` and ``categories``, https://cocodataset.org/#format-data.

    Pixels of crowd regions and of objects with a box but no outline are ignored: their class is not known exactly.
    """

    kind = 'COCO segmentation'

    def __init__(self, source: Source) -> None:
        content = source.json
        missing = [key for key in ('images', 'annotations', 'categories') if not isinstance(content.get(key), list)]
        if missing:
            raise ConfigError(f'{source.path}: {missing[0]} is not a list, as it is in the COCO format')
        try:
            self._names = {item['id']: str(item['name']) for item in content['categories']}
            self._images = [(item['id'], int(item['height']), int(item['width'])) for item in content['images']]
            names = [str(item['file_name']) for item in content['images']]
            self._annotations: dict[Any, list[dict[str, Any]]] = defaultdict(list)
            for item in content['annotations']:
                self._annotations[item['image_id']].append(item)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f'{source.path}: an entry lacks or has a wrong {first_line(error)}') from error
        strange = self._annotations.keys() - {image for image, _, _ in self._images}
        if strange:
            raise ConfigError(f'{source.path}: annotations have the image_id {min(strange, key=str)}, no image has it')
        super().__init__(source, [self._names[key] for key in sorted(self._names, key=_number)], names)

    @classmethod
    def recognizes(cls, source: Source) -> bool:
        """A JSON object with images and annotations."""
        return isinstance(source.json, dict) and {'images', 'annotations'} <= source.json.keys()

    def size(self, index: int) -> tuple[int, int]:
        """Returns height and width as the file has them."""
        return self._images[index][1:]

    def labelled(self, index: int) -> bool:
        """COCO does not tell an image without objects from one that nobody labelled."""
        return bool(self._annotations.get(self._images[index][0]))

    def regions(self, index: int, size: tuple[int, int], notes: Counter[str]) -> Iterator[Region]:
        """Yields the objects of an image in the order of the file."""
        for item in self._annotations.get(self._images[index][0], ()):
            with prefixed(f'{self.path}: annotation {item.get("id")}'):
                if item.get('category_id') not in self._names:
                    raise ConfigError(
                        f'category_id {item.get("category_id")!r} is no category. Allowed are '
                        f'{", ".join(f"{key} ({name})" for key, name in self._names.items())}'
                    )
                mask, exact = self._mask(item, size)
            crowd = bool(item.get('iscrowd'))
            notes['crowd regions, whose pixels are ignored'] += crowd
            notes['objects with a box but no outline, whose pixels are ignored'] += not exact
            yield Region(self._names[item['category_id']], mask, crowd or not exact)

    @staticmethod
    def _mask(item: dict[str, Any], size: tuple[int, int]) -> tuple[np.ndarray, bool]:
        """Returns the pixels of an object, and whether they are its outline rather than its box."""
        outline = item.get('segmentation')
        if isinstance(outline, dict):
            return _run_lengths(outline, size), True
        if outline:
            parts = [np.reshape(part, (-1, 2)) if _even(part) else part for part in outline]
            return np.any([polygon_mask(part, size) for part in parts], axis=0), True
        try:
            return polygon_mask(turned_box(*map(float, item['bbox'])), size), False
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError('has neither a segmentation nor a bbox of four numbers') from error


def _run_lengths(outline: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Decodes run lengths, compressed or not, which count down the columns."""
    counts, own = outline.get('counts'), outline.get('size')
    if own is None or tuple(own) != size:
        raise ConfigError(f'segmentation.size is {own}, the image has [{size[0]}, {size[1]}] (height, width)')
    if isinstance(counts, str):
        counts = decompress(counts)
    if not isinstance(counts, list):
        raise ConfigError(f'segmentation.counts must be a list or a string, found {type(counts).__name__}')
    if not all(isinstance(count, int) and count >= 0 for count in counts) or sum(counts) != size[0] * size[1]:
        raise ConfigError(f'segmentation.counts must be counts of {size[0] * size[1]} pixels altogether')
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size, order='F')


def decompress(text: str) -> list[int]:
    """Decodes compressed run lengths; the COCO library would read beyond the end of damaged ones.

    A count is written in groups of five bits, the lowest first, as characters from ``'0'`` on. The sixth bit says that
    the count goes on, and the highest bit of its last group is its sign. From the fourth on, counts are differences to
    the last but one.

    Examples:
        >>> decompress('04i1O')  # of 8 x 8 pixels
        [0, 4, 57, 3]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - ord('0')
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def _even(part: Any) -> bool:
    return isinstance(part, list) and len(part) % 2 == 0


def _number(key: Any) -> tuple[bool, Any]:
    return (True, str(key)) if isinstance(key, str) else (False, key)
