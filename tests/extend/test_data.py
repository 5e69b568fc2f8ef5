"""All data of an extension."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.extend.data import ExtensionData
from mmciss.extend.new_classes import extension_step
from tests.extend.samples import OLD, write_images

STEP = extension_step(OLD, ['fork', 'pallet'], background=True)


def test_a_part_is_held_out_and_said(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=10)
    data = ExtensionData(images=images, masks=masks).read(STEP)
    assert len(data.train) == 8 and len(data.tests()['new'].pairs) == 2
    assert not {pair.image for pair in data.train} & {pair.image for pair in data.tests()['new'].pairs}
    assert any('2 of the 10 new images are held out' in line for line in data.lines)
    assert data.checksum() == ExtensionData(images=images, masks=masks).read(STEP).checksum()
    assert data.checksum() != ExtensionData(images=images, masks=masks, holdout=0.4).read(STEP).checksum()


def test_few_images_are_all_learned(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=3)
    data = ExtensionData(images=images, masks=masks).read(STEP)
    assert len(data.train) == 3 and data.tests()['new'].pairs == data.train
    assert any('too few new ones to hold any out' in line for line in data.lines)
    assert any('Only 3 images' in line for line in data.lines)


def test_validation_old_validation_and_exemplars(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path / 'new', count=6)
    val = write_images(tmp_path / 'val', count=2, ids=(0, 1, 3, 4))
    stored = write_images(tmp_path / 'old', count=2, ids=(0, 1, 2))
    dataset = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        metainfo=dict(classes=OLD),
        data_prefix=dict(img_path=str(stored[0]), seg_map_path=str(stored[1])),
    )
    (tmp_path / 'old.py').write_text(f'test_dataloader = dict(dataset={dataset!r})', encoding='utf-8')
    data = ExtensionData(
        images=images,
        masks=masks,
        val_images=val[0],
        val_masks=val[1],
        old_val_config=tmp_path / 'old.py',
        exemplar_images=stored[0],
        exemplar_masks=stored[1],
    ).read(STEP)
    assert len(data.train) == 6 and data.num_exemplars == 2, 'nothing is held out'
    tests = data.tests()
    assert list(tests) == ['new', 'old'] and data.judges == ('new', 'old')
    assert data.lines[-2].endswith('They label all classes.') and data.lines[-1].endswith(
        'They label the old classes only.'
    )
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
