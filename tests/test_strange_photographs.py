"""Photographs and masks of every kind that people have: each is read as the loader reads it, or refused and named."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

import mmciss.register_all
from mmciss.datasets.data_check import check_data
from mmciss.datasets.image_pairs import check_sizes
from mmciss.datasets.mask_counts import count_masks
from mmciss.errors import ConfigError
from mmciss.protocols.scan import count_ids
from tests.datasets.exif import save_turned
from tests.step_run import SIDE, pictures_config, write_pictures

PHOTOGRAPH = Image.fromarray(np.random.RandomState(0).randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8))
IDS = np.repeat(np.arange(7), 6)[:SIDE] * np.ones((SIDE, 1), dtype=np.uint8)
MASK = Image.fromarray(IDS.astype(np.uint8))
Write = Callable[[Path], Any]


def photograph(mode: str, kind: str, **options: Any) -> Write:
    return lambda path: PHOTOGRAPH.convert(mode).save(path, kind, **options)


def pixels(values: np.ndarray, kind: str) -> Write:
    return lambda path: Image.fromarray(values).save(path, kind)


def mask(mode: str, kind: str, **options: Any) -> Write:
    return lambda path: MASK.convert(mode).save(path, kind, **options)


def palette(**options: Any) -> Write:
    picture = MASK.copy()
    picture.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    return lambda path: picture.save(path, 'PNG', **options)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        here = os.getcwd()
        os.chdir(path.parent)  # the address of a socket must be short
        try:
            end.bind(path.name)
        finally:
            os.chdir(here)


def linked(write: Write) -> Write:
    def make(path: Path) -> None:
        target = path.with_name('höher ☂.bin')
        write(target)
        path.symlink_to(target)

    return make


GREY = np.asarray(PHOTOGRAPH.convert('L'))
READ_PHOTOGRAPHS: dict[str, Write] = {
    'grey JPEG': photograph('L', 'JPEG'),
    'grey PNG': photograph('L', 'PNG'),
    'grey + alpha': photograph('LA', 'PNG'),
    'RGBA': photograph('RGBA', 'PNG'),
    'CMYK JPEG': photograph('CMYK', 'JPEG'),
    'palette': photograph('P', 'PNG'),
    'palette + alpha': photograph('P', 'PNG', transparency=3),
    'one bit': photograph('1', 'PNG'),
    '16 bit': pixels(GREY.astype(np.uint16) * 256, 'PNG'),
    'progressive': photograph('RGB', 'JPEG', progressive=True),
    'WebP': photograph('RGB', 'WEBP'),
    'TIFF': photograph('RGB', 'TIFF', compression='tiff_lzw'),
    'BMP': photograph('RGB', 'BMP'),
    'GIF': photograph('RGB', 'GIF'),
    'PPM': photograph('RGB', 'PPM'),
    'animation': photograph('RGB', 'GIF', save_all=True, append_images=[PHOTOGRAPH]),
    'link': linked(photograph('RGB', 'PNG')),
    'garbage as EXIF': photograph('RGB', 'JPEG', exif=b'Exif\0\0garbage'),
    'orientation 9': lambda path: save_turned(path, np.asarray(PHOTOGRAPH), 9, 'JPEG'),
    **{
        f'orientation {value}': lambda path, value=value: save_turned(path, np.asarray(PHOTOGRAPH), value, 'JPEG')
        for value in range(1, 9)
    },
}
NO_FILES: dict[str, tuple[Write, str]] = {
    'FIFO': (os.mkfifo, 'FIFO|regular'),
    'socket': (a_socket, 'socket|regular'),
    'folder': (os.mkdir, 'folder|regular'),
    'device': (lambda path: path.symlink_to('/dev/zero'), 'device|regular'),
    'dangling link': (lambda path: path.symlink_to('nowhere'), 'not exist'),
    'link to itself': (lambda path: path.symlink_to(path.name), 'not exist|Too many'),
    'missing': (lambda path: None, 'not exist'),
    'zero bytes': (lambda path: path.write_bytes(b''), 'readable|identify'),
    'text': (lambda path: path.write_text('no image'), 'readable|identify'),
}
REFUSED_PHOTOGRAPHS: dict[str, tuple[Write, str]] = {
    **NO_FILES,
    '1 x N': (lambda path: PHOTOGRAPH.resize((1, SIDE)).save(path), '1x40 pixels'),
    'N x 1': (lambda path: PHOTOGRAPH.resize((SIDE, 1)).save(path), '40x1 pixels'),
    'other size': (lambda path: PHOTOGRAPH.resize((SIDE, 30)).save(path), 'has 40x30'),
}
READ_MASKS: dict[str, Write] = {
    'grey PNG': mask('L', 'PNG'),
    'palette': palette(),
    'palette + alpha': palette(transparency=0),
    'palette of 4 bit': palette(bits=4),
    'one bit': pixels(IDS > 3, 'PNG'),
    '16 bit': pixels(IDS.astype(np.uint16), 'PNG'),
    '32 bit TIFF': pixels(IDS.astype(np.int32), 'TIFF'),
    'BMP': mask('L', 'BMP'),
    'PGM': mask('L', 'PPM'),
    'link': linked(mask('L', 'PNG')),
}
REFUSED_MASKS: dict[str, tuple[Write, str]] = {
    **NO_FILES,
    'RGB': (mask('RGB', 'PNG'), 'colour mode RGB'),
    'RGBA': (mask('RGBA', 'PNG'), 'colour mode RGBA'),
    'grey + alpha': (mask('LA', 'PNG'), 'colour mode LA'),
    'CMYK': (mask('CMYK', 'TIFF'), 'colour mode CMYK'),
    'JPEG': (mask('L', 'JPEG'), 'is a JPEG'),
    'WebP': (mask('L', 'WEBP'), 'colour mode RGB'),
    'float': (pixels(IDS.astype(np.float32), 'TIFF'), 'colour mode F'),
    '16 bit above 255': (pixels(IDS.astype(np.uint16) * 256, 'PNG'), 'ids 0 to 1536'),
    'unknown id': (pixels((IDS + 1).astype(np.uint8), 'PNG'), 'label ids 7'),
    'EXIF orientation': (lambda path: save_turned(path, IDS.astype(np.uint8), 3, 'PNG'), 'EXIF orientation 3'),
    'other size': (pixels(IDS.astype(np.uint8)[:-1], 'PNG'), 'the mask has 40x39'),
    'cut': (lambda path: path.write_bytes(_png()[:-30]), 'cannot be read'),
}


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.RandomState(0).randint(0, 7, (SIDE, SIDE)).astype(np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmseg')


def folder_with(tmp_path: Path, part: str, write: Write) -> tuple[Path, Any]:
    """Returns one strange file among whole ones, and the data set."""
    data = write_pictures(tmp_path / 'data', [IDS] * 3)
    path = data / part / 'p1.png'
    path.unlink()
    write(path)
    config = pictures_config(data)
    config['pipeline'] = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    return path, DATASETS.build(config)


def check(dataset: Any) -> Any:
    """Does what a run does before training."""
    counts = count_masks(dataset, num_classes=6, first_id=1)
    check_sizes(dataset)
    return counts


@pytest.mark.parametrize(
    ('part', 'name'), [*(('images', name) for name in READ_PHOTOGRAPHS), *(('masks', name) for name in READ_MASKS)]
)
def test_it_is_read_as_the_loader_reads_it(part: str, name: str, tmp_path: Path) -> None:
    _, dataset = folder_with(tmp_path, part, (READ_PHOTOGRAPHS if part == 'images' else READ_MASKS)[name])
    check(dataset)
    sample = dataset.prepare_data(1)
    assert tuple(sample['inputs'].shape) == (3, SIDE, SIDE)
    labels = sample['data_samples'].gt_sem_seg.data.numpy().ravel()
    assert np.bincount(labels, minlength=256).tolist() == count_ids(str(tmp_path / 'data/masks/p1.png')).tolist()
    assert not check_data([dataset], cache_dir=tmp_path, workers=1).problems


@pytest.mark.parametrize(
    ('part', 'name'),
    [*(('images', name) for name in REFUSED_PHOTOGRAPHS), *(('masks', name) for name in REFUSED_MASKS)],
)
def test_it_is_refused_by_name_before_training(part: str, name: str, tmp_path: Path) -> None:
    write, reason = (REFUSED_PHOTOGRAPHS if part == 'images' else REFUSED_MASKS)[name]
    path, dataset = folder_with(tmp_path, part, write)
    with pytest.raises(ConfigError, match=reason) as caught:
        check(dataset)
    assert str(path) in str(caught.value)
    if name != 'unknown id':  # decoding does not ask whether an id is a class
        (problem,) = check_data([dataset], cache_dir=tmp_path, workers=1).problems
        assert str(path) in problem


def test_suffixes_in_other_letters_are_not_left_out_silently(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', [IDS] * 3)
    (data / 'images/p1.png').rename(data / 'images/p1.PNG')
    config = pictures_config(data)
    config.pop('ann_file')
    with pytest.raises(ConfigError, match=r"img_suffix: '\.png' leaves out 1 images .* for example p1\.PNG"):
        count_masks(DATASETS.build(config), num_classes=6, first_id=1)
    (data / 'list.txt').write_text('p0\np2\n')
    count_masks(DATASETS.build(pictures_config(data)), num_classes=6, first_id=1)
