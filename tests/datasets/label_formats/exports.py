"""The same labels as each tool would write them: a box and a fork on ``one``, nothing on ``two``; and wrong ones."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmciss.datasets.label_formats import Conversion, convert_labels, open_export
from mmciss.errors import ConfigError

SIZE = (8, 12)
BOX = (slice(1, 5), slice(2, 6))
FORK = (slice(5, 8), slice(7, 11))
BOX_POLYGON = [[2, 1], [6, 1], [6, 5], [2, 5]]
FORK_POLYGON = [[7, 5], [11, 5], [11, 8], [7, 8]]
BRUSH = [0, 0, 1, 128, 57, 27, 255, 1, 11, 0, 191, 255, 135, 192, 47, 255, 225, 240, 11, 255, 241, 128, 0]
"""FORK as Label Studio's brush, from ``mask2rle`` of label-studio-converter 0.0.59."""


def truth(box: int = 1, fork: int = 2) -> np.ndarray:
    """The mask of ``one``."""
    mask = np.zeros(SIZE, np.uint8)
    mask[BOX], mask[FORK] = box, fork
    return mask


def write_pictures(folder: Path, names: tuple[str, ...] = ('one', 'two', 'three'), size: tuple = SIZE) -> Path:
    """Writes grey pictures; ``three`` is in no export."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(np.full((*size, 3), 50 + 50 * number, np.uint8)).save(folder / f'{name}.png')
    return folder


def colors(folder: Path) -> Path:
    """CVAT's 'segmentation mask 1.1'."""
    masks = folder / 'export' / 'SegmentationClass'
    masks.mkdir(parents=True)
    (folder / 'export' / 'labelmap.txt').write_text(
        '# label:color_rgb:parts:actions\nbackground:0,0,0::\nbox:250,50,83::\nfork:0,96,55::\n', encoding='utf-8'
    )
    table = np.array([(0, 0, 0), (250, 50, 83), (0, 96, 55)], np.uint8)
    Image.fromarray(table[truth()]).save(masks / 'one.png')
    Image.fromarray(table[np.zeros(SIZE, np.uint8)]).save(masks / 'two.png')
    return folder / 'export'


def labelme(folder: Path) -> Path:
    """A polygon and a mask in a file beside each image."""
    out = folder / 'export'
    out.mkdir(parents=True)
    with io.BytesIO() as file:
        Image.fromarray(np.ones((3, 4), np.uint8) * 255).save(file, 'PNG')
        stored = base64.b64encode(file.getvalue()).decode()
    shapes = [
        dict(label='box', points=BOX_POLYGON, shape_type='polygon'),
        dict(label='fork', points=[[7, 5], [10, 7]], shape_type='mask', mask=stored),
        dict(label='box', points=[[1, 1], [2, 2]], shape_type='line'),
    ]
    for name, found in (('one', shapes), ('two', [])):
        content = dict(version='5.5.0', shapes=found, imagePath=f'..\\{name}.png', imageHeight=8, imageWidth=12)
        (out / f'{name}.json').write_text(json.dumps(content), encoding='utf-8')
    return out


def coco(folder: Path) -> Path:
    """A polygon and uncompressed run lengths; category ids do not start at 1."""
    runs, flat = [0], truth(0, 1).ravel(order='F')
    for value in flat:
        if value != (len(runs) - 1) % 2:
            runs.append(0)
        runs[-1] += 1
    common = dict(image_id=7, iscrowd=0)
    content = dict(
        images=[dict(id=i, file_name=f'photos/{n}.png', height=8, width=12) for i, n in ((7, 'one'), (9, 'two'))],
        categories=[dict(id=30, name='fork'), dict(id=20, name='box')],
        annotations=[
            dict(id=1, category_id=20, segmentation=[[2, 1, 6, 1, 6, 5, 2, 5]], **common),
            dict(id=2, category_id=30, segmentation=dict(size=[8, 12], counts=runs), **common),
        ],
    )
    return _write(folder / 'instances.json', json.dumps(content))


def cvat(folder: Path) -> Path:
    """A box, and run lengths within a rectangle."""
    labels = ''.join(f'<label><name>{name}</name><color>#ff0000</color></label>' for name in ('box', 'fork'))
    shapes = (
        '<mask label="fork" occluded="0" rle="0, 12" left="7" top="5" width="4" height="3" z_order="1"></mask>'
        '<box label="box" occluded="0" xtl="2.00" ytl="1.00" xbr="6.00" ybr="5.00" z_order="0"></box>'
        '<points label="box" points="1,1;2,2"></points><tag label="seen"></tag>'
    )
    images = ''.join(
        f'<image id="{number}" name="{name}.png" width="12" height="8">{text}</image>'
        for number, (name, text) in enumerate((('one', shapes), ('two', '')))
    )
    text = f'<annotations><meta><job><labels>{labels}</labels></job></meta>{images}</annotations>'
    return _write(folder / 'annotations.xml', text)


def label_studio(folder: Path) -> Path:
    """A polygon in percentages and a brush; Label Studio puts eight digits before names."""
    size = dict(original_width=12, original_height=8)
    points = [[100 * x / 12, 100 * y / 8] for x, y in BOX_POLYGON]
    results = [
        dict(id='a', type='polygonlabels', value=dict(points=points, polygonlabels=['box']), **size),
        dict(id='b', type='brushlabels', value=dict(format='rle', rle=BRUSH, brushlabels=['fork']), **size),
        dict(id='c', type='choices', value=dict(choices=['sharp'])),
    ]
    content = [
        dict(
            id=1,
            data=dict(image='/data/upload/1/0123abcd-one.png'),
            annotations=[dict(was_cancelled=False, result=results), dict(was_cancelled=True, result=[])],
        ),
        dict(id=2, data=dict(image='/data/local-files/?d=photos/two.png'), annotations=[]),
    ]
    return _write(folder / 'project.json', json.dumps(content))


EXPORTS: dict[str, Callable[[Path], Path]] = {
    'colour masks': colors,
    'labelme JSON': labelme,
    'COCO segmentation': coco,
    'CVAT for images': cvat,
    'Label Studio JSON': label_studio,
}


def convert(export: Path, folder: Path) -> tuple[Conversion, np.ndarray]:
    """Converts an export of the pictures, and returns the ids on the first one too."""
    found = convert_labels(open_export(export), write_pictures(folder / 'photos'), folder / 'out')
    return found, np.asarray(Image.open(found.pairs[0][1]))


def check_refused(export: Path, message: str, folder: Path) -> None:
    """Checks that an export is refused with a message, and nothing written."""
    with pytest.raises(ConfigError, match=message):
        convert(export, folder)
    assert not (folder / 'out').exists()


def edit_json(export: Path, change: Callable[[Any], object]) -> Path:
    """Changes the content of an export, labelme's that of ``one``."""
    path = export / 'one.json' if export.is_dir() else export
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return export


def edit_text(path: Path, old: str, new: str) -> None:
    """Replaces text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
    return path
