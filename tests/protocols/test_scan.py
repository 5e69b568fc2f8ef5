"""Scanning masks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.protocols.scan import MaskScan, count_ids, scan_masks


def write_masks(folder: Path, count: int) -> tuple[list[Path], np.ndarray]:
    """Writes random masks and returns them with their counts (count, 256)."""
    random = np.random.default_rng(0)
    table = np.zeros((count, 256), dtype=np.int64)
    paths = []
    for index in range(count):
        mask = random.choice([0, 1, 7, 200, 255], size=random.integers(1, 9, 2)).astype(np.uint8)
        table[index] = np.bincount(mask.ravel(), minlength=256)
        paths.append(folder / f'{index:03}.png')
        image = Image.fromarray(mask)
        if index % 2:
            image.putpalette([255 - value // 3 for value in range(768)])
        image.save(paths[-1])
    return paths, table


@pytest.mark.parametrize(
    ('count', 'workers', 'method'), [(0, 1, None), (3, None, None), (130, 1, None), (130, 2, None), (70, 2, 'spawn')]
)
def test_counts_do_not_depend_on_the_processes(
    tmp_path: Path, count: int, workers: int | None, method: str | None
) -> None:
    paths, table = write_masks(tmp_path, count)
    scan = scan_masks(paths, workers, start_method=method)
    assert np.array_equal(scan.dense(), table) and scan.num_images == count
    assert scan.masks_with(200).tolist() == np.flatnonzero(table[:, 200]).tolist()


def test_the_sparse_form() -> None:
    table = np.zeros((3, 256), dtype=np.int64)
    table[0, [3, 255]] = 5, 7
    table[2, 0] = 9
    scan = MaskScan.from_dense(table)
    assert scan.indptr.tolist() == [0, 2, 2, 3] and scan.ids.tolist() == [3, 255, 0]
    assert scan.counts.tolist() == [5, 7, 9] and scan.images.tolist() == [0, 0, 2]
    assert np.array_equal(scan.dense(), table)


def test_deep_masks_within_8_bits(tmp_path: Path) -> None:
    path = tmp_path / 'deep.png'
    Image.fromarray(np.array([[0, 255], [3, 3]], dtype=np.uint16)).save(path)
    assert count_ids(str(path))[[0, 3, 255]].tolist() == [1, 2, 1]
    Image.fromarray(np.array([[0, 256]], dtype=np.uint16)).save(path)
    with pytest.raises(ValueError, match='ids 0 to 256'):
        count_ids(str(path))


def test_two_colour_masks(tmp_path: Path) -> None:
    path = tmp_path / 'bits.png'
    Image.fromarray(np.array([[True, False, True]])).save(path)
    assert count_ids(str(path))[:3].tolist() == [1, 2, 0]


def test_bad_masks_are_all_reported_at_once(tmp_path: Path) -> None:
    paths, _ = write_masks(tmp_path, 4)
    Image.new('RGB', (2, 2)).save(paths[0])
    paths[1].write_bytes(paths[1].read_bytes()[:40])
    paths[2].write_text('no image')
    missing = tmp_path / 'missing.png'
    with pytest.raises(ConfigError, match='^4 of 5 masks cannot be used') as caught:
        scan_masks([*paths, missing])
    message = str(caught.value)
    assert f'{paths[0]} has colour mode RGB' in message and f'{missing} does not exist' in message
    assert f'{paths[1]} cannot be read' in message and f'{paths[2]} cannot be read' in message
    assert str(paths[3]) not in message


def test_long_lists_of_bad_masks_are_cut(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='^70 of 70 .*; and 65 more$') as caught:
        scan_masks([tmp_path / f'{index}.png' for index in range(70)], workers=2)
    assert str(caught.value).count('does not exist') == 5


def test_what_is_no_mask_is_refused_without_waiting(tmp_path: Path) -> None:
    Image.new('L', (8, 8)).save(tmp_path / 'lossy.jpg')
    os.mkfifo(tmp_path / 'pipe.png')
    with pytest.raises(ConfigError, match=r'lossy\.jpg is a JPEG, .*pipe\.png is a FIFO'):
        scan_masks([tmp_path / 'lossy.jpg', tmp_path / 'pipe.png'])
