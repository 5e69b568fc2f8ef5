"""What ids in masks mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.datasets.mask_ids import read_masks
from mmciss.errors import ConfigError
from mmciss.extend.extension import extension_protocol
from mmciss.protocols.labels import UNKNOWN
from tests.extend.samples import OLD, STUFF, labelled, write_images

WITH = extension_protocol(OLD, ['fork', 'pallet'], background=True)[1]
WITHOUT = extension_protocol(STUFF, ['fork', 'pallet'], background=False)[1]


def table(tmp_path: Path, ids: tuple[int, ...], step, convention: str = 'auto', **options) -> dict[int, int]:
    """Returns what each of some ids becomes."""
    images, masks = write_images(tmp_path, count=2, ids=ids)
    read = read_masks(labelled(images, masks, **options), step, convention)
    return {raw: read.table[raw] for raw in ids}


def test_small_ids_are_new_classes_in_their_order(tmp_path: Path) -> None:
    for step in (WITH, WITHOUT):
        assert table(tmp_path, (0, 1, 2, 255), step) == {0: UNKNOWN, 1: 3, 2: 4, 255: 255}


def test_final_ids(tmp_path: Path) -> None:
    assert table(tmp_path, (0, 3, 4, 255), WITH) == {0: UNKNOWN, 3: 3, 4: 4, 255: 255}
    assert table(tmp_path, (0, 1, 3, 4, 255), WITH) == {0: 0, 1: 1, 3: 3, 4: 4, 255: 255}, (
        'old classes are labelled too'
    )
    assert table(tmp_path, (3, 4, 255), WITHOUT) == {3: 3, 4: 4, 255: UNKNOWN}
    assert table(tmp_path, (0, 3, 4, 255), WITHOUT) == {0: 0, 3: 3, 4: 4, 255: 255}, '0 is a class here'


def test_a_convention_can_be_given(tmp_path: Path) -> None:
    assert table(tmp_path, (0, 1, 2), WITH, 'final') == {0: 0, 1: 1, 2: 2}
    with pytest.raises(ConfigError, match=r'--mask-ids: unknown meaning of ids .neu.'):
        table(tmp_path, (0, 1), WITH, 'neu')


def test_validation_masks_mean_what_the_training_masks_mean(tmp_path: Path) -> None:
    # Ids 0 to 2 fit both: old classes of the extended model, or new ones in their order.
    val = labelled(*write_images(tmp_path / 'val', count=1, ids=(0, 1, 2)))
    for ids, meant in (((0, 1, 3, 4), 1), ((0, 1, 2), 3)):
        new = read_masks(labelled(*write_images(tmp_path / str(meant), count=1, ids=ids)), WITH, training=True)
        assert read_masks(val, WITH, like=new).table[1] == meant


def test_ids_that_match_no_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r'--masks: ids 5, 77 match no class, first in .*00.png. Allowed are 1 to 2 '
        r'\(the new classes fork, pallet\).*or 0 to 4',
    ):
        table(tmp_path, (0, 1, 5, 77), WITH)
    with pytest.raises(ConfigError, match='ids 4 match no class'):
        table(tmp_path, (0, 4), WITH, 'old')


def test_training_masks_must_label_new_classes(tmp_path: Path) -> None:
    step = extension_protocol(OLD, ['fork'], background=True)[1]
    images, masks = write_images(tmp_path, ids=(0, 1, 2))
    assert read_masks(labelled(images, masks), step).meaning == 'ids of the final model'
    with pytest.raises(
        ConfigError, match=r'--masks: ids 2 match no class.*Allowed are 1 to 1 \(the new classes fork\)'
    ):
        read_masks(labelled(images, masks), step, training=True)


def test_colour_masks_are_refused(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=1)
    Image.new('RGB', (32, 32)).save(masks / '00.png')
    with pytest.raises(ConfigError, match='--masks: .*00.png has colour mode RGB'):
        read_masks(labelled(images, masks), WITH)


def test_names_of_a_data_set_decide(tmp_path: Path) -> None:
    names = ('background', 'pallet', 'fork', 'truck')
    assert table(tmp_path, (0, 1, 2, 3, 255), WITH, names=names) == {0: UNKNOWN, 1: 4, 2: 3, 3: UNKNOWN, 255: 255}
    # Without a background class, 255 is everything that is not a class.
    assert table(tmp_path, (0, 1, 2), WITHOUT, names=('fork', 'pallet'), reduce_zero_label=True) == {
        0: UNKNOWN,
        1: 3,
        2: 4,
    }
    with pytest.raises(ConfigError, match=r'none of its classes \(house\) is a class of the model'):
        table(tmp_path, (0,), WITH, names=('house',))


def test_ids_that_are_no_class_of_their_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='id 77 in .*00.png is no class of the data set. Allowed are 0 to 2'):
        table(tmp_path, (0, 1, 77), WITH, names=OLD)
    assert table(tmp_path / 'void', (0, 1, 255), WITH, names=OLD)[255] == 255


def test_a_test_set_must_tell_something(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=1, ids=(0, 255))
    read = read_masks(labelled(images, masks), WITH)
    with pytest.raises(ConfigError, match='--masks .*: no pixel of any class is labelled in 1 masks'):
        read.check_shows(range(5), 'any class')


def test_old_labels_of_a_data_set(tmp_path: Path) -> None:
    assert table(tmp_path, (0, 1, 2, 255), WITH, names=OLD) == {0: 0, 1: 1, 2: 2, 255: 255}
    assert table(tmp_path, (0, 1, 2), WITHOUT, names=('a', 'b', 'c')) == {0: 0, 1: 1, 2: 2}, 'as many classes: by place'


def test_pixels_are_counted_by_label(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=1)
    ids = np.zeros((32, 32), np.uint8)
    ids[:4], ids[4:6] = 1, 255
    Image.fromarray(ids).save(masks / '00.png')
    read = read_masks(labelled(images, masks), WITH)
    assert read.totals[3] == 128 and read.totals[255] == 64 and read.totals[UNKNOWN] == 1024 - 192
    with pytest.raises(ConfigError, match='--masks: no labelled pixel of pallet in 1 masks; labelled are fork'):
        read.check_every_new_class(WITH)
    assert read.training_table(0)[0] == 0 and read.training_table(0)[1] == 3


@pytest.mark.parametrize(
    ('ids', 'step', 'options', 'expected'),
    [
        ((0, 1, 2), WITH, {}, {3, 4}),
        ((0, 3, 4), WITH, {}, {3, 4}),
        ((0, 1, 3), WITH, {}, {0, 1, 2, 3, 4}),
        ((0, 1, 2), WITH, dict(convention='final'), {0, 1, 2}),
        ((0, 1), WITH, dict(names=OLD), {0, 1, 2}),
        ((0, 1), WITH, dict(names=('background', 'fork', 'truck')), {3}),
        ((0, 1), WITH, dict(names=('background', 'dog', 'fork')), {0, 2, 3}),
        ((3, 4), WITHOUT, {}, {3, 4}),
        ((0, 1, 2), WITHOUT, dict(names=STUFF), {0, 1, 2}),
    ],
)
def test_which_classes_masks_label(
    ids: tuple[int, ...], step, options: dict, expected: set[int], tmp_path: Path
) -> None:
    images, masks = write_images(tmp_path, count=1, ids=ids)
    options = dict(options)
    convention = options.pop('convention', 'auto')
    assert read_masks(labelled(images, masks, **options), step, convention).labelled == expected
