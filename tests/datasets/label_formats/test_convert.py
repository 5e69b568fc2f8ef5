"""Every format says the same, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.datasets.label_formats import convert_labels, open_export
from mmciss.datasets.label_formats.convert import Conversion
from mmciss.errors import ConfigError
from tests.datasets.label_formats.exports import EXPORTS, coco, cvat, truth, write_pictures


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


def test_the_list_that_a_conversion_wrote_orders_another(tmp_path: Path) -> None:
    """It begins with the background, which is no class of an export."""
    export, photos = open_export(coco(tmp_path)), write_pictures(tmp_path / 'photos')
    first = convert_labels(export, photos, tmp_path / 'first')
    names = (tmp_path / 'first' / 'classes.txt').read_text().split()
    assert names[0] == 'background'
    second = convert_labels(export, photos, tmp_path / 'second', names)
    assert first.names == second.names
    np.testing.assert_array_equal(*(np.asarray(Image.open(found.pairs[0][1])) for found in (first, second)))


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        (['box', 'background', 'fork'], "'background' is no class: its pixels are id 0"),
        (['box', 'void', 'fork'], "'void' is no class: its pixels are ignored"),
        (['box', '', 'fork'], 'give the names of all classes'),
        (['box', 'fork', 'Box'], 'listed twice'),
    ],
)
def test_names_that_would_shift_the_ids_are_refused(classes: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        convert_labels(open_export(coco(tmp_path)), write_pictures(tmp_path / 'photos'), tmp_path / 'out', classes)
    assert not (tmp_path / 'out').exists()
