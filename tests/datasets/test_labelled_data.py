"""Images and masks that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmciss.datasets.labelled_data import LabelledData, Pair, data_of_config, data_of_folders
from mmciss.errors import ConfigError
from mmciss.extend.old_model import OldModel
from tests.datasets.exif import save_turned
from tests.extend.samples import write_images


def test_files_pair_by_name_in_subfolders(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=2)
    for folder, name in ((images, 'sub/x.JPG'), (masks, 'sub/x.png')):
        (folder / 'sub').mkdir()
        Image.new('RGB' if folder == images else 'L', (8, 8)).save(folder / name, format='png')
    data = data_of_folders(images, masks)
    assert [Path(pair.image).stem for pair in data.pairs] == ['00', '01', 'x']
    assert all(Path(pair.image).stem == Path(pair.mask).stem for pair in data.pairs)
    assert data.check_sizes() == [(32, 32), (32, 32), (8, 8)]


def test_suffixes_may_differ(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=2)
    for path in list(masks.iterdir()):
        path.rename(masks / f'{path.stem}_labels.png')
    with pytest.raises(
        ConfigError,
        match=r'--images, --masks: files do not pair: 2 images .* \(such as 00\) and 2 masks.*'
        r'--mask-suffix',
    ):
        data_of_folders(images, masks)
    assert len(data_of_folders(images, masks, mask_suffix='_labels.png').pairs) == 2


def test_missing_empty_and_doubled_are_refused(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=1)
    with pytest.raises(ConfigError, match='--masks: no folder .*nowhere'):
        data_of_folders(images, tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ConfigError, match='--images: .*empty holds no file that ends with one of .jpg'):
        data_of_folders(tmp_path / 'empty', masks)
    Image.new('RGB', (8, 8)).save(images / '00.bmp')
    with pytest.raises(ConfigError, match='--images: .*same name without suffix'):
        data_of_folders(images, masks)


def test_sizes_of_a_pair_must_agree(tmp_path: Path) -> None:
    Image.new('RGB', (8, 6)).save(tmp_path / 'a.png')
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(tmp_path / 'm.png')
    with pytest.raises(ConfigError, match='m.png: the mask has 6x8 pixels, its image .*a.png has 8x6'):
        LabelledData('--masks', 'masks', (Pair(str(tmp_path / 'a.png'), str(tmp_path / 'm.png')),)).check_sizes()
    (tmp_path / 'a.png').write_bytes(b'no image')
    with pytest.raises(ConfigError, match='a.png: is not a readable image'):
        LabelledData('--masks', 'masks', (Pair(str(tmp_path / 'a.png'), str(tmp_path / 'm.png')),)).check_sizes()


def test_photographs_are_as_large_as_the_model_will_see_them(tmp_path: Path) -> None:
    save_turned(tmp_path / 'a.jpg', np.zeros((6, 8, 3), np.uint8), 6)
    pair = LabelledData('--masks', 'masks', (Pair(str(tmp_path / 'a.jpg'), str(tmp_path / 'm.png')),))
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / 'm.png')
    assert pair.check_sizes() == [(6, 8)]
    as_stored = [dict(type='LoadImageFromFile', color_type='color_ignore_orientation'), dict(type='PackSegInputs')]
    readers = OldModel(Config(dict(train_pipeline=as_stored)), '', '', {}, (), '', (), background=True).readers
    with pytest.raises(ConfigError, match='--masks masks: .*m.png: the mask has 8x6 .*EXIF orientation 6'):
        pair.check_sizes(readers)
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(tmp_path / 'm.png')
    assert pair.check_sizes(readers) == [(8, 6)]
    with pytest.raises(ConfigError, match='EXIF orientation 6'):
        pair.check_sizes()


def test_a_data_set_of_mmsegmentation(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=3)
    config = tmp_path / 'data.py'
    dataset = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        reduce_zero_label=True,
        data_prefix=dict(img_path=str(images), seg_map_path=str(masks)),
        metainfo=dict(classes=('fork', 'pallet')),
    )
    config.write_text(f'train_dataloader = dict(dataset={dataset!r})', encoding='utf-8')
    data = data_of_config(config, '--data-config')
    assert data.names == ('fork', 'pallet') and data.reduce_zero_label and len(data.pairs) == 3
    config.write_text(f'dataset = {dict(dataset, metainfo={})!r}', encoding='utf-8')
    with pytest.raises(ConfigError, match='--data-config: .*no class names'):
        data_of_config(config, '--data-config')
    config.write_text('x = 1', encoding='utf-8')
    with pytest.raises(ConfigError, match='has neither train_dataloader.dataset nor'):
        data_of_config(config, '--data-config')


def list_config(path: Path, images: Path, masks: Path, content: bytes) -> Path:
    """Writes a config of a data set that reads a list."""
    (path.parent / 'list.txt').write_bytes(content)
    dataset = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        metainfo=dict(classes=('background', 'fork')),
        ann_file=str(path.parent / 'list.txt'),
        data_prefix=dict(img_path=str(images), seg_map_path=str(masks)),
    )
    path.write_text(f'train_dataloader = dict(dataset={dataset!r})', encoding='utf-8')
    return path


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'00\n01\n./00\n', r'list.txt: lists .*/\./00.png twice, once as'),
        (b'00\n02\n', '1 of 2 images do not exist'),
        ('00\n'.encode('utf-16'), 'list.txt, line 1: the file is in UTF-16'),
        (b'00\n\n01\n', 'images do not exist'),
        (b'../masks/00\n', 'outside the data set'),
        (b'', 'list.txt is empty'),
    ],
)
def test_lists_of_a_config_are_checked(content: bytes, message: str, tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=2)
    with pytest.raises(ConfigError, match=f'--data-config: .*data.py: .*{message}'):
        data_of_config(list_config(tmp_path / 'data.py', images, masks, content), '--data-config')


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=1)
    path = list_config(tmp_path / 'data.py', images, masks, b'00')
    text = (
        path.read_text(encoding='utf-8').replace("img_suffix='.png'", "img_suffix='.jpg'").replace("'.png'", "'.jpg'")
    )
    path.write_text(text.replace(repr(str(tmp_path / 'list.txt')), "''"), encoding='utf-8')
    with pytest.raises(
        ConfigError, match=r'--data-config: .*BaseSegDataset: no images: no file in .*images\) ends with .*jpg'
    ):
        data_of_config(path, '--data-config')
