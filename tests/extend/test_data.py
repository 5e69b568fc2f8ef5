"""All data of an extension."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.extend.data import FEWEST_TO_HOLD_OUT, MOST_HELD_OUT, ExtensionData, hold_out
from mmciss.extend.extension import extension_protocol
from tests.extend.samples import OLD, data_config, write_images

STEP = extension_protocol(OLD, ['fork', 'pallet'], background=True)[1]


def test_a_part_is_held_out_and_said(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=10)
    data = ExtensionData(images=images, masks=masks).read(STEP)
    assert len(data.train) == 8 and len(data.tests['new'].pairs) == 2
    assert not {pair.image for pair in data.train} & {pair.image for pair in data.tests['new'].pairs}
    assert any('2 of the 10 new images are held out' in line for line in data.lines())
    assert data.checksum() == ExtensionData(images=images, masks=masks).read(STEP).checksum()
    assert data.checksum() != ExtensionData(images=images, masks=masks, holdout=0.4).read(STEP).checksum()


def test_few_images_are_all_learned(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=3)
    data = ExtensionData(images=images, masks=masks).read(STEP)
    assert len(data.train) == 3 and data.tests['new'].pairs == data.train
    assert any('too few new ones to hold any out' in line for line in data.lines())
    assert any('Only 3 images' in line for line in data.lines())


def test_validation_old_validation_and_exemplars(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path / 'new', count=6)
    val = write_images(tmp_path / 'val', count=2, ids=(0, 1, 3, 4))
    stored = write_images(tmp_path / 'old', count=2, ids=(0, 1, 2))
    data = ExtensionData(
        images=images,
        masks=masks,
        val_images=val[0],
        val_masks=val[1],
        old_val_config=data_config(tmp_path / 'old.py', *stored, OLD),
        exemplar_images=stored[0],
        exemplar_masks=stored[1],
    ).read(STEP)
    assert len(data.train) == 6 and data.num_train == 8, 'nothing is held out'
    tests = data.tests
    assert list(tests) == ['new', 'old'] and data.judges == ('new', 'old')
    *_, val_line, old_line = data.lines()
    assert val_line.endswith('They label all classes.') and old_line.endswith('They label the old classes only.')
    assert tests['new'].masks.table[1] == 1, 'the validation masks have ids of the extended model'
    assert tests['old'].masks.table[2] == 2 and data.exemplars.table[2] == 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(images='a'), '--images and --masks: give both or none'),
        (dict(), '--images with --masks, or --data-config: give one'),
        (dict(images='a', masks='b', data_config='c'), 'give one of the two'),
        (dict(images='a', masks='b', val_masks='c'), '--val-images and --val-masks'),
        (dict(images='a', masks='b', holdout=1.0), '--holdout: 1.0'),
    ],
)
def test_flags_that_do_not_go_together(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExtensionData(**options)


def test_a_class_without_a_pixel_is_refused(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, ids=(0, 1))
    with pytest.raises(ConfigError, match='--masks: no labelled pixel of pallet'):
        ExtensionData(images=images, masks=masks).read(STEP)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(masks / '00.png')
    Image.fromarray(np.full((32, 32), 2, np.uint8)).save(masks / '01.png')
    with pytest.raises(ConfigError, match='00.png: the mask has 8x8 pixels, its image .*00.png has 32x32'):
        ExtensionData(images=images, masks=masks).read(STEP)


@given(count=st.integers(1, 60), classes=st.integers(1, 4), share=st.floats(0, 0.9), seed=st.integers(0, 9))
def test_every_class_stays_in_training(count: int, classes: int, share: float, seed: int) -> None:
    presence = np.random.RandomState(seed).rand(count, classes) < 0.3
    train, test = hold_out(presence, share, seed)
    assert sorted([*train, *test]) == list(range(count))
    assert (presence[train].any(0) == presence.any(0)).all()
    assert len(test) <= max(1, round(share * count))
    again = hold_out(presence, share, seed)
    assert np.array_equal(again[1], test)


def test_amounts() -> None:
    assert len(hold_out(np.ones((FEWEST_TO_HOLD_OUT - 1, 1), bool))[1]) == 0
    assert len(hold_out(np.ones((50, 1), bool))[1]) == 10
    assert len(hold_out(np.ones((5000, 1), bool))[1]) == MOST_HELD_OUT
    assert len(hold_out(np.ones((50, 1), bool), 0.0)[1]) == 0
    assert not np.array_equal(hold_out(np.ones((50, 1), bool), seed=1)[1], hold_out(np.ones((50, 1), bool), seed=2)[1])
