"""Scanning masks, and the cache: masks are read once, again when they change, wherever the cache can be written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.protocols import scan as scanning
from mmciss.protocols.scan import MaskScan, count_ids, load_or_scan, scan_masks


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


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv('MMCISS_CACHE', str(tmp_path / 'home'))
    return tmp_path / 'home'


@pytest.fixture
def masks(tmp_path: Path) -> list[Path]:
    """Three masks; the i-th has i + 1 pixels of id i."""
    folder = tmp_path / 'masks'
    folder.mkdir()
    paths = [folder / f'{index}.png' for index in range(3)]
    for index, path in enumerate(paths):
        save(path, [index] * (index + 1))
    return paths


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one entry whenever masks are really read."""
    calls: list[int] = []
    real = scanning.scan_masks
    monkeypatch.setattr(scanning, 'scan_masks', lambda files, *rest: (calls.append(len(files)), real(files, *rest))[1])
    return calls


def save(path: Path, ids: list[int]) -> None:
    Image.fromarray(np.array([ids], dtype=np.uint8)).save(path)


def stored(folder: Path) -> list[Path]:
    return sorted(folder.rglob('*presence_*'))


def test_masks_are_read_once(masks: list[Path], scans: list[int], home: Path) -> None:
    first = load_or_scan(masks)
    second = load_or_scan([str(path) for path in masks])
    assert scans == [3] and not home.exists()
    assert np.array_equal(first.dense(), second.dense())
    assert [place.parent for place in stored(masks[0].parent)] == [masks[0].parent]
    assert stored(masks[0].parent)[0].name.startswith('.')


@pytest.mark.parametrize('change', ['content', 'time', 'order', 'fewer', 'version'])
def test_whatever_changes_is_read_again(
    masks: list[Path], scans: list[int], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_scan(masks)
    used = masks
    if change == 'content':
        save(masks[0], [9, 9])
    elif change == 'time':
        found = masks[1].stat()
        os.utime(masks[1], ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    elif change == 'order':
        used = masks[::-1]
    elif change == 'fewer':
        used = masks[:2]
    else:
        monkeypatch.setattr(scanning, '_VERSION', 'next')
    scan = load_or_scan(used)
    assert scans == [3, len(used)]
    assert scan.counts.tolist() == (
        [2, 2, 3] if change == 'content' else [3, 2, 1] if change == 'order' else [1, 2, 3][: len(used)]
    )
    load_or_scan(used)
    assert len(scans) == 2


def test_a_data_set_moves_with_its_cache(masks: list[Path], scans: list[int], tmp_path: Path) -> None:
    load_or_scan(masks)
    moved = masks[0].parent.rename(tmp_path / 'moved')
    assert load_or_scan([moved / path.name for path in masks]).counts.tolist() == [1, 2, 3]
    assert scans == [3]


def test_masks_in_several_folders(masks: list[Path], scans: list[int], tmp_path: Path) -> None:
    (tmp_path / 'masks' / 'sub').mkdir()
    shutil.copy(masks[2], tmp_path / 'masks' / 'sub' / '0.png')
    paths = [*masks, tmp_path / 'masks' / 'sub' / '0.png']
    for _ in range(2):
        assert load_or_scan(paths).counts.tolist() == [1, 2, 3, 3]
    assert scans == [4]


def test_relative_paths(masks: list[Path], scans: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(masks[0].parent)
    names = [path.name for path in masks]
    load_or_scan(names)
    load_or_scan(masks)
    assert scans == [3] and len(stored(masks[0].parent)) == 1


def test_a_folder_that_cannot_be_written(
    masks: list[Path], scans: list[int], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scanning.write_atomically

    def refuse(path: Path, write: Callable[[Path], object]) -> None:
        if path.parent == masks[0].parent:
            raise PermissionError('read-only')
        real(path, write)

    monkeypatch.setattr(scanning, 'write_atomically', refuse)
    load_or_scan(masks)
    assert not stored(masks[0].parent) and len(stored(home)) == 1
    load_or_scan(masks)
    assert scans == [3]


def test_same_names_elsewhere_do_not_share_a_file(masks: list[Path], scans: list[int], tmp_path: Path) -> None:
    other = Path(shutil.copytree(masks[0].parent, tmp_path / 'other'))
    cache = tmp_path / 'cache'
    for _ in range(2):
        load_or_scan(masks, cache_dir=cache)
        load_or_scan([other / path.name for path in masks], cache_dir=cache)
    assert scans == [3, 3] and len(stored(cache)) == 2
    assert not stored(masks[0].parent) and not stored(other)


def test_nowhere_to_write(masks: list[Path], scans: list[int], tmp_path: Path) -> None:
    blocked = tmp_path / 'file'
    blocked.write_text('')
    assert load_or_scan(masks, cache_dir=blocked).counts.tolist() == [1, 2, 3]


@pytest.mark.parametrize('damage', ['empty', 'cut', 'text', 'pickle', 'fields', 'lengths'])
def test_a_damaged_cache_is_made_anew(masks: list[Path], scans: list[int], damage: str) -> None:
    load_or_scan(masks)
    place = stored(masks[0].parent)[0]
    with np.load(place) as content:
        fields = dict(content)
    if damage == 'empty':
        place.write_bytes(b'')
    elif damage == 'cut':
        place.write_bytes(place.read_bytes()[:-60])
    elif damage == 'text':
        place.write_text('PK no archive')
    elif damage == 'pickle':
        np.savez(place, **{**fields, 'ids': np.array([{}], dtype=object)})
    elif damage == 'fields':
        np.savez(place, key=fields['key'])
    else:
        np.savez(place, **{**fields, 'counts': fields['counts'][:-1]})
    assert load_or_scan(masks).counts.tolist() == [1, 2, 3] and scans == [3, 3]
    assert load_or_scan(masks).counts.tolist() == [1, 2, 3] and scans == [3, 3]
    assert [path.name for path in stored(masks[0].parent)] == [place.name]


def test_masks_that_change_while_they_are_read_are_not_cached(
    masks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scanning.scan_masks

    def scan_and_change(*args: object) -> object:
        found = real(*args)
        save(masks[0], [5, 5, 5, 5])
        return found

    monkeypatch.setattr(scanning, 'scan_masks', scan_and_change)
    load_or_scan(masks)
    assert not stored(masks[0].parent)


def test_a_missing_mask_is_named_though_there_is_a_cache(masks: list[Path]) -> None:
    load_or_scan(masks)
    masks[1].unlink()
    with pytest.raises(ConfigError, match='1.png does not exist'):
        load_or_scan(masks)


def test_reading_ten_thousand_masks_from_the_cache_is_fast(tmp_path: Path) -> None:
    one = tmp_path / 'masks' / 'm00000.png'
    one.parent.mkdir()
    save(one, [1, 2, 3])
    paths = [one, *(one.parent / f'm{index:05}.png' for index in range(1, 10_582))]
    for path in paths[1:]:
        os.link(one, path)
    load_or_scan(paths)
    durations = []
    for _ in range(5):
        start = time.thread_time()
        load_or_scan([str(path) for path in paths])
        durations.append(time.thread_time() - start)
    # 33 ms on the machine this was written on; the limit leaves room for slow disks and other load.
    assert min(durations) < 0.2
