"""Label Studio's JSON: brushes, polygons, rectangles and ellipses of all tasks in one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from mmciss.datasets.label_formats.export import Region, RegionExport, Source
from mmciss.datasets.label_formats.shapes import ellipse, polygon_mask, turned_box
from mmciss.errors import ConfigError, first_line, prefixed

KINDS = {'brush': 'brushlabels', 'polygon': 'polygonlabels', 'rectangle': 'rectanglelabels', 'ellipse': 'ellipselabels'}
"""Name of each shape with an area, and the type of its results."""


class LabelStudioExport(RegionExport):
    """The export 'JSON', https://labelstud.io/guide/export; coordinates are percentages of the image.

    Classes are sorted by name, since the file does not list them. Of several annotations of a task the last one counts
    that was not cancelled.
    """

    kind = 'Label Studio JSON'

    def __init__(self, source: Source) -> None:
        names, labels = [], set()
        self._results: list[list[dict[str, Any]] | None] = []
        for number, task in enumerate(source.json):
            with prefixed(f'{source.path}: task {task.get("id", number)}'):
                names.append(_image_name(task))
                valid = [item for item in task['annotations'] if not item.get('was_cancelled')]
                results = valid[-1].get('result') or [] if valid else None
                labels |= {_label(item) for item in results or () if item.get('type') in KINDS.values()}
                self._results.append(results)
        super().__init__(source, sorted(labels), names)

    @classmethod
    def recognizes(cls, source: Source) -> bool:
        """A JSON list of tasks with annotations."""
        content = source.json
        return (
            isinstance(content, list)
            and bool(content)
            and all(isinstance(task, dict) and isinstance(task.get('annotations'), list) for task in content)
        )

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns height and width as the first result has them."""
        for item in self._results[index] or ():
            if item.get('original_height') and item.get('original_width'):
                return int(item['original_height']), int(item['original_width'])
        return None

    def labelled(self, index: int) -> bool:
        """Returns whether the task has an annotation, be it an empty one."""
        return self._results[index] is not None

    def regions(self, index: int, size: tuple[int, int], notes: Counter[str]) -> Iterator[Region]:
        """Yields the results of a task in the order of the file."""
        for item in self._results[index] or ():
            if item.get('type') not in KINDS.values():
                notes[f'results of type {item.get("type")}, which are no areas with a label, left out'] += 1
                continue
            with prefixed(f'{self.path}: {self.images[index]}: result {item.get("id")}'):
                yield Region(_label(item), _mask(item['type'], item['value'], size))


def _image_name(task: dict[str, Any]) -> str:
    """Returns the path of a task's image, without the address of the server."""
    texts = [value for value in (task.get('data') or {}).values() if isinstance(value, str)]
    paths = [unquote((parse_qs(urlsplit(text).query).get('d') or [urlsplit(text).path])[0]) for text in texts]
    found = [path for path in paths if '.' in path.rpartition('/')[2]]
    if not found:
        raise ConfigError(f'data names no image, found {str(task.get("data"))[:80]}')
    return found[0].removeprefix('/data/upload/').lstrip('/')


def _label(item: dict[str, Any]) -> str:
    """Returns the label of a result."""
    labels = (item.get('value') or {}).get(item['type'])
    if not isinstance(labels, list) or len(labels) != 1:
        raise ConfigError(f'result {item.get("id")}: {item["type"]} must be a list of one label, found {labels!r}')
    return str(labels[0])


def _mask(kind: str, value: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Returns the pixels of a result."""
    scale = np.array([size[1], size[0]]) / 100
    try:
        if kind == KINDS['polygon']:
            return polygon_mask(np.asarray(value['points'], dtype=np.float64) * scale, size)
        if kind == KINDS['brush']:
            return decode_brush(value['rle'], size)
        x, y = float(value['x']) * scale[0], float(value['y']) * scale[1]
        keys = ('width', 'height') if kind == KINDS['rectangle'] else ('radiusX', 'radiusY')
        sides = [float(value[key]) * factor for key, factor in zip(keys, scale, strict=True)]
        draw = turned_box if kind == KINDS['rectangle'] else ellipse
        return polygon_mask(draw(x, y, sides[0], sides[1], float(value.get('rotation') or 0)), size)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f'{kind}: lacks or has a wrong {first_line(error)}') from error


def decode_brush(encoded: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Decodes a brush: run lengths of the bytes of an RGBA picture, as bits.

    The stream (https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack) starts with the number of values (32
    bits), the bits of a value less 1 (5) and four sizes of counts less 1 (4 each). Then follow packets: whether it is a
    run (1), which size its count has (2), the count less 1, and the value of the run, or as many values.

    Args:
        encoded: Bytes, as numbers.
        size: Height and width in pixels.

    Returns:
        Where the picture is not transparent, boolean ``(H, W)``.

    Raises:
        ConfigError: If the bytes end too early or make a picture of another size.
    """
    try:
        bits = bin(int.from_bytes(b'\1' + bytes(encoded)))[3:]
    except (TypeError, ValueError) as error:
        raise ConfigError('rle: must be a list of numbers from 0 to 255') from error
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        if place > len(bits):
            raise ConfigError('rle: ends too early')
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    if total != size[0] * size[1] * 4 or word > 8:
        raise ConfigError(f'rle: has {total} values of {word} bits, not 4 bytes for each of {size[1]}x{size[0]} pixels')
    values = np.zeros(total, np.uint8)
    filled = 0
    while filled < total:
        run = take(1)
        count = take(sizes[take(2)]) + 1
        if filled + count > total:
            raise ConfigError(f'rle: has more than {total} values')
        values[filled : filled + count] = take(word) if run else [take(word) for _ in range(count)]
        filled += count
    return values.reshape(*size, 4)[..., 3] > 0
