"""Every format says the same; what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from mmciss.datasets.label_formats import convert_labels, find_export, open_export
from mmciss.datasets.label_formats.convert import Conversion
from mmciss.datasets.label_formats.label_studio import decode_brush
from mmciss.datasets.label_formats.match import match_images
from mmciss.datasets.label_formats.shapes import ellipse, polygon_mask, turned_box
from mmciss.errors import ConfigError
from tests.datasets.label_formats.exports import (
    BRUSH,
    EXPORTS,
    FORK,
    SIZE,
    coco,
    colors,
    cvat,
    label_studio,
    labelme,
    truth,
    write_pictures,
)


@pytest.mark.parametrize('kind', EXPORTS)
def test_every_format_gives_the_same_masks(kind: str, tmp_path: Path) -> None:
    export = open_export(EXPORTS[kind](tmp_path))
    assert export.kind == kind and export.classes == ('box', 'fork')
    found = convert_labels(export, write_pictures(tmp_path / 'photos'), tmp_path / 'out')
    masks = {Path(mask).name: Image.open(mask) for _, mask in found.pairs}
    assert masks['one.png'].mode == 'P'
    np.testing.assert_array_equal(np.asarray(masks['one.png']), truth())
    # Only some formats tell that somebody has looked at an image and found nothing.
    empty = kind in ('colour masks', 'labelme JSON')
    assert set(masks) == {'one.png', *(['two.png'] if empty else [])}
    assert [Path(name).stem for name in found.unlabelled] == (['three'] if empty else ['three', 'two'])
    assert found.names == ('background', 'box', 'fork') and found.missing == () and found.overlaps == (0, 0)
    assert found.pixels[1:3].tolist() == [16, 12] and found.images[1:3].tolist() == [1, 1]
    assert (tmp_path / 'out' / 'images.txt').read_text() == ('one\ntwo\n' if empty else 'one\n')
    assert (tmp_path / 'out' / 'classes.txt').read_text() == 'background\nbox\nfork\n'
    left_out = {'labelme JSON': 'type line', 'CVAT for images': 'type points', 'Label Studio JSON': 'type choices'}
    assert [text for text in found.notes if left_out.get(kind, '-') in text] == list(found.notes)
    read = Conversion.load(tmp_path / 'out')
    assert read is not None and read.lines() == found.lines() and read.pairs == found.pairs


def test_order_of_classes_and_no_background(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / 'photos')
    export = open_export(coco(tmp_path))
    found = convert_labels(export, photos, tmp_path / 'out', ['fork', 'shelf', 'box'], background=False)
    expected = np.where(truth() == 0, 255, np.where(truth() == 1, 2, 0))
    np.testing.assert_array_equal(np.asarray(Image.open(found.pairs[0][1])), expected)
    assert found.names == ('fork', 'shelf', 'box')
    with pytest.raises(ConfigError, match=r"--classes: unknown class of .*'fork'.*Did you mean 'forks'"):
        convert_labels(export, photos, tmp_path / 'new', ['box', 'forks'])
    both = convert_labels(export, photos, tmp_path / 'empty', keep_empty=True)
    assert len(both.pairs) == 2 and not np.asarray(Image.open(both.pairs[1][1])).any()


def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / 'photos')
    export = open_export(cvat(tmp_path))
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine.txt').write_text('mine')
    with pytest.raises(ConfigError, match='--out: .* exists; choose a new or empty folder'):
        convert_labels(export, photos, tmp_path / 'out')
    small = write_pictures(tmp_path / 'small', size=(8, 11))
    with pytest.raises(ConfigError, match='one.png has 12x8 pixels there, but the file has 11x8'):
        convert_labels(export, small, tmp_path / 'new')
    assert {path.name for path in tmp_path.iterdir()} == {'photos', 'small', 'out', 'annotations.xml'}
    with pytest.raises(ConfigError, match=r'none of its images, such as one.png, is in'):
        convert_labels(export, write_pictures(tmp_path / 'other', ('cat',)), tmp_path / 'new')


def test_overlaps_crowds_and_boxes_are_said(tmp_path: Path) -> None:
    path = coco(tmp_path)
    content = json.loads(path.read_text())
    full = np.asfortranarray(np.pad(np.ones((2, 12), np.uint8), ((0, 6), (0, 0))))
    crowd = dict(coco_mask.encode(full))
    crowd['counts'] = crowd['counts'].decode()
    content['annotations'] += [
        dict(id=3, image_id=7, category_id=30, segmentation=crowd, iscrowd=1),  # rows 0 and 1
        dict(id=4, image_id=7, category_id=20, segmentation=[[7, 7, 9, 7, 9, 8, 7, 8]]),  # over the fork
        dict(id=5, image_id=7, category_id=20, segmentation=[], bbox=[0, 6, 2, 2]),
    ]
    path.write_text(json.dumps(content))
    found = convert_labels(open_export(path), write_pictures(tmp_path / 'photos'), tmp_path / 'out')
    expected = truth()
    expected[:2] = 255
    expected[7, 7:9] = 1
    expected[6:8, 0:2] = 255
    np.testing.assert_array_equal(np.asarray(Image.open(found.pairs[0][1])), expected)
    assert found.overlaps == (1, 4 + 2), 'the row of the box below the crowd, and the two pixels of the fork'
    text = '\n'.join(found.lines())
    assert 'Warning: 1 crowd regions, whose pixels are ignored.' in text
    assert 'Warning: 1 objects with a box but no outline' in text
    assert 'Warning: regions of different classes overlap in 1 images (6 pixels)' in text


def test_a_colour_that_is_not_in_the_table(tmp_path: Path) -> None:
    folder = colors(tmp_path)
    mask = folder / 'SegmentationClass' / 'one.png'
    pixels = np.asarray(Image.open(mask)).copy()
    pixels[3, 5] = (1, 2, 3)
    Image.fromarray(pixels).save(mask)
    with pytest.raises(ConfigError, match=r'one.png: the colour 1,2,3 at x=5, y=3 is not in .*250,50,83 \(box\)'):
        convert_labels(open_export(folder), write_pictures(tmp_path / 'photos'), tmp_path / 'out')


def test_a_table_as_csv_and_pixels_to_ignore(tmp_path: Path) -> None:
    folder = colors(tmp_path)
    (folder / 'labelmap.txt').unlink()
    table = 'name, r, g, b\nbackground, 0, 0, 0\nVoid, 250, 50, 83\nfork, 0, 96, 55\n'
    (folder / 'class_dict.csv').write_text(table)
    found = convert_labels(open_export(folder), write_pictures(tmp_path / 'photos'), tmp_path / 'out')
    np.testing.assert_array_equal(np.asarray(Image.open(found.pairs[0][1])), truth(255, 1))


def edit_json(write: Callable[[Path], Path], change: Callable) -> Callable[[Path], Path]:
    """An export with a change of its content."""

    def edited(folder: Path) -> Path:
        out = write(folder)
        path = out / 'one.json' if out.is_dir() else out
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return out

    return edited


def edit_text(write: Callable[[Path], Path], old: str, new: str, name: str = '') -> Callable[[Path], Path]:
    """An export with other text."""

    def edited(folder: Path) -> Path:
        out = write(folder)
        path = out / name if name else out
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return out

    return edited


BROKEN = {
    'labelme, too few points': (
        edit_json(labelme, lambda content: content['shapes'][0].update(points=[[1, 1]])),
        r'one.json: shapes\[0\]: a polygon needs at least three points',
    ),
    'labelme, shape': (
        edit_json(labelme, lambda content: content['shapes'][0].update(shape_type='polygn')),
        r"points of a polygn must be two points|unknown shape 'polygn'",
    ),
    'labelme, mask': (
        edit_json(labelme, lambda content: content['shapes'][1].update(mask='no')),
        r'shapes\[1\]: mask: is not a PNG in base64',
    ),
    'coco, category': (
        edit_json(coco, lambda content: content['annotations'][0].update(category_id=3)),
        r'annotation 1: category_id 3 is no category. Allowed are 30 \(fork\), 20 \(box\)',
    ),
    'coco, image': (
        edit_json(coco, lambda content: content['annotations'][0].update(image_id=3)),
        'annotations have the image_id 3, no image has it',
    ),
    'coco, counts': (
        edit_json(coco, lambda content: content['annotations'][1]['segmentation'].update(counts=[3])),
        'annotation 2: segmentation.counts must be counts of 96 pixels',
    ),
    'coco, two numbers': (
        edit_json(coco, lambda content: content['annotations'][0].update(segmentation=[[1, 2, 3, 4]])),
        'annotation 1: a polygon needs at least three points',
    ),
    'cvat, run lengths': (edit_text(cvat, '0, 12', '0, 11'), 'one.png: mask: rle: must be counts of 12 pixels'),
    'cvat, label': (edit_text(cvat, '<box label="box"', '<box label="bx"'), "unknown label 'bx'.*Did you mean 'box'"),
    'cvat, number': (edit_text(cvat, 'xtl="2.00"', 'xtl="a"'), 'one.png: box: needs the numbers xtl'),
    'cvat, xml': (edit_text(cvat, '</annotations>', ''), 'annotations.xml: is not XML'),
    'studio, brush': (
        edit_json(label_studio, lambda content: content[0]['annotations'][0]['result'][1]['value'].update(rle=[0, 0])),
        'result b: rle: ends too early',
    ),
    'studio, two labels': (
        edit_json(
            label_studio,
            lambda content: content[0]['annotations'][0]['result'][0]['value'].update(polygonlabels=['a', 'b']),
        ),
        'task 1: result a: polygonlabels must be a list of one label',
    ),
    'colours, table': (
        edit_text(colors, '250,50,83', '250,50', 'labelmap.txt'),
        "labelmap.txt: 'box:250,50::'; needed are a name and three numbers",
    ),
    'case': (edit_text(cvat, 'fork', 'Box'), 'the classes box, Box differ only in case'),
}


@pytest.mark.parametrize('name', BROKEN)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    write, message = BROKEN[name]
    with pytest.raises(ConfigError, match=message):
        convert_labels(open_export(write(tmp_path)), write_pictures(tmp_path / 'photos'), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_what_is_no_export(tmp_path: Path) -> None:
    masks = write_pictures(tmp_path / 'masks')
    assert find_export(masks) is None and find_export(tmp_path / 'nowhere') is None
    with pytest.raises(ConfigError, match='is no export that is known. Allowed are a folder with labelmap.txt'):
        open_export(masks)
    (masks / 'labelmap.txt').write_text('box:50,50,50::')
    (masks / 'notes.json').write_text('{"shapes"')
    assert open_export(masks).kind == 'colour masks'
    for path in masks.glob('*.png'):
        Image.open(path).convert('L').save(path)
    assert find_export(masks) is None, 'masks in grey hold ids'
    with pytest.raises(ConfigError, match='nowhere: does not exist'):
        open_export(tmp_path / 'nowhere')
    (tmp_path / 'list.json').write_text('[1]')
    with pytest.raises(ConfigError, match=r'list.json: is no export'):
        find_export(tmp_path / 'list.json')
    (tmp_path / 'list.json').write_text('[1')
    with pytest.raises(ConfigError, match=r'list.json: is not JSON'):
        find_export(tmp_path / 'list.json')


def test_names_find_their_images() -> None:
    root = Path('photos')
    files = [root / name for name in ('a/1.jpg', 'b/1.jpg', 'a/2.jpg', '3.PNG')]

    def find(*names: str) -> list[str | None]:
        return [path and str(path) for path in match_images(names, files, root)]

    assert find('a/1.png', 'b\\1.jpg', 'server/x/a/2.jpg', 'train/3.tif') == [
        'photos/a/1.jpg',
        'photos/b/1.jpg',
        'photos/a/2.jpg',
        'photos/3.PNG',
    ]
    assert find('c/2.jpg', '4.jpg', '2.jpg', '01234567-3.png') == [None, None, 'photos/a/2.jpg', 'photos/3.PNG']
    with pytest.raises(ConfigError, match='1.jpg may mean photos/a/1.jpg or photos/b/1.jpg'):
        find('1.jpg')
    with pytest.raises(ConfigError, match='is meant by both'):
        find('a/2.jpg', '2.jpg')
    with pytest.raises(ConfigError, match='1 images are listed twice, such as a/2.jpg'):
        find('a/2.jpg', 'a/2.jpg')


def test_shapes() -> None:
    size = (40, 40)
    assert polygon_mask([(-50, -50), (1e12, -50), (1e12, 1e12), (-50, 1e12)], size).all()
    # Turned clockwise about its left upper corner, a lying box hangs down to the left of it.
    np.testing.assert_array_equal(
        polygon_mask(turned_box(20, 10, 16, 4, 90), size), polygon_mask(turned_box(16, 10, 4, 16), size)
    )
    area = polygon_mask(ellipse(20, 20, 12, 6, 30), size).sum()
    assert area == pytest.approx(np.pi * 12 * 6, rel=0.03)
    lying = polygon_mask(ellipse(20, 20, 12, 6, 90), size)
    assert lying.any(1).sum() > lying.any(0).sum()


def test_a_brush_with_literal_values() -> None:
    # 8 values of 8 bits, counts of 1, 1, 1 and 3 bits; a literal packet of 4 values, a run of 3 zeros, one literal.
    text = f'{8:032b}{7:05b}' + '0000' * 3 + '0010'
    text += '0' + '11' + '011' + ''.join(f'{value:08b}' for value in (9, 9, 9, 255)) + '1' + '11' + '010' + f'{0:08b}'
    text += '0' + '00' + '0' + f'{7:08b}'
    text += '0' * (-len(text) % 8)
    encoded = [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]
    np.testing.assert_array_equal(decode_brush(encoded, (1, 2)), [[True, True]])
    np.testing.assert_array_equal(decode_brush(BRUSH, SIZE)[FORK], True)
    with pytest.raises(ConfigError, match='has 8 values of 8 bits'):
        decode_brush(encoded, (1, 3))
