"""Every broken file of a data set is found, once, before training."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import mmciss.register_all
from mmciss.apis.inspect_protocol import main as inspect_main
from mmciss.apis.train import config_from_args, parse_args
from mmciss.apis.train import main as train_main
from mmciss.datasets import data_check
from mmciss.datasets.data_check import DataCheck, check_config_data, check_data
from mmciss.datasets.image_pairs import ImagePair
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from mmciss.errors import ConfigError
from tests.datasets.exif import save_turned
from tests.step_run import block_masks, step_run_config, write_pictures


def damaged_jpeg(path: Path) -> None:
    """Writes a photograph with a whole head and a damaged body, which OpenCV decodes to half a picture."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (40, 40, 3)).astype(np.uint8)).save(buffer, 'JPEG')
    content = bytearray(buffer.getvalue())
    for place in np.random.RandomState(1).randint(len(content) // 2, len(content) - 10, 200):
        content[place] = 0xFF - place % 64
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path) -> None:
    path.write_bytes(b'')


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def thin(path: Path) -> None:
    Image.new('RGB', (40, 1)).save(path)


def sideways(path: Path) -> None:
    save_turned(path, np.zeros((20, 40, 3), dtype=np.uint8), 8)


def bomb(path: Path) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))

    head = struct.pack('>IIBBBBB', 50_000, 50_000, 8, 0, 0, 0, 0)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(bytes(99))))


IMAGE_DAMAGE: list[tuple[Callable[[Path], Any], str]] = [
    (damaged_jpeg, 'damaged|decoded'),
    (cut, 'damaged|decoded'),
    (empty, 'not a readable image'),
    (fifo, 'is a FIFO'),
    (Path.unlink, 'does not exist'),
    (bomb, '2500000000 pixels'),
    (thin, 'has 40x1 pixels'),
    (sideways, 'EXIF orientation 8'),
]


@pytest.fixture
def broken(tmp_path: Path) -> tuple[Path, list[tuple[Path, str]]]:
    """Twenty pictures, of which every kind of damage has one, and the last has a damaged mask."""
    data = write_pictures(tmp_path / 'data', block_masks(0, 20))
    expected = []
    for index, (damage, reason) in enumerate(IMAGE_DAMAGE):
        path = data / f'images/p{index}.png'
        damage(path)
        expected.append((path, reason))
    mask = data / 'masks/p19.png'
    mask.write_bytes(mask.read_bytes()[:-30])
    return data, [*expected, (mask, 'cannot be read')]


def config(data: Path, tmp_path: Path) -> Config:
    return step_run_config(data, tmp_path / 'run', 'finetuning')


def check(data: Path, tmp_path: Path, **options: Any) -> DataCheck:
    return check_config_data(config(data, tmp_path), cache_dir=tmp_path / 'cache', **options)


@pytest.mark.parametrize('workers', [1, 2])
def test_every_broken_file_is_named_once_with_its_reason(broken: tuple, tmp_path: Path, workers: int) -> None:
    data, expected = broken
    found = check(data, tmp_path, workers=workers)
    assert found.num_pairs == 20 and len(found.problems) == len(expected)
    for path, reason in expected:
        (problem,) = [text for text in found.problems if str(path) in text]
        assert re.search(reason, problem), (problem, reason)
    assert 'files cannot be used' in str(found) and str(expected[-1][0]) in str(found)


def test_whole_files_are_not_read_again_until_they_change(
    broken: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, expected = broken
    first = check(data, tmp_path)
    read: list[str] = []
    real = ImagePair.problems
    monkeypatch.setattr(ImagePair, 'problems', lambda pair: read.append(pair.image) or real(pair))
    again = check(data, tmp_path, workers=1)
    assert again.problems == first.problems and again.num_known == 20 - len(expected) == 20 - len(read)
    read.clear()
    for index in range(len(IMAGE_DAMAGE)):
        path = data / f'images/p{index}.png'
        path.unlink(missing_ok=True)
        Image.new('RGB', (40, 40)).save(path)
    cut(data / 'images/p12.png')
    last = check(data, tmp_path, workers=1)
    assert len(read) == len(expected) + 1 and len(last.problems) == 2
    for file in (tmp_path / 'cache').iterdir():
        file.write_bytes(b'\xff\xfe no cache')
    assert check(data, tmp_path).num_known == 0


def test_masks_that_the_loader_takes_for_colours_are_found(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', block_masks(0, 2))
    for index in range(2):
        palette = Image.open(data / f'masks/p{index}.png').convert('P')
        palette.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
        palette.save(data / f'masks/p{index}.png')
    cfg = config(data, tmp_path)
    assert not check_config_data(cfg, cache_dir=tmp_path / 'a').problems
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.pipeline[1].imdecode_backend = 'cv2'
    assert len(check_config_data(cfg, cache_dir=tmp_path / 'a').problems) == 2


def test_the_switch_of_training_and_of_inspection(
    broken: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    data, expected = broken
    monkeypatch.setenv('MMCISS_CACHE', str(tmp_path / 'cache'))
    cfg = config(data, tmp_path)
    cfg.check_data = True
    with pytest.raises(ConfigError) as caught:
        IncrementalRunner.from_cfg(cfg)
    assert str(caught.value).startswith('check_data: ') and not (tmp_path / 'run').exists()
    assert all(str(path) in str(caught.value) for path, _ in expected)
    cfg.dump(tmp_path / 'config.py')
    arguments = [str(tmp_path / 'config.py'), '--work-dir', str(tmp_path / 'run')]
    assert config_from_args(parse_args([*arguments, '--check-data'])).check_data is True
    assert train_main([*arguments, '--cfg-options', 'check_data=True']) == 2
    assert 'files cannot be used' in capsys.readouterr().err
    assert inspect_main([str(tmp_path / 'config.py'), '--check-data']) == 2
    shown = capsys.readouterr().err
    assert all(str(path) in shown for path, _ in expected) and 'Traceback' not in shown


def test_a_process_that_dies_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_pictures(tmp_path / 'data', block_masks(0, 20))
    monkeypatch.setattr(data_check, '_begin', lambda: os._exit(9))
    with pytest.raises(ConfigError, match=r'a process died while decoding images, .* Start looking at .*p0\.png'):
        check(data, tmp_path, workers=2)


def test_nothing_is_checked_of_nothing() -> None:
    assert check_data([]).num_pairs == 0
