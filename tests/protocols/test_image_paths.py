"""Finding images by published lists and by domains."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.errors import ConfigError
from mmciss.protocols.class_orders import DOMAINS
from mmciss.protocols.image_paths import domain_of, domains_of, read_image_list

CITIES = DOMAINS['cityscapes']


PATHS = [
    'data/img/2007_000032.jpg',
    'data/img/2007_000039.jpg',
    'data/a/7.png',
    'data/b/7.png',
    'data/img/two words.jpg',
    'data/img/v1.2.jpg',
]


def read(folder: Path, text: str, paths: list[str] = PATHS) -> list[int]:
    file = folder / 'train-0.txt'
    file.write_text(text, encoding='utf-8')
    return read_image_list(file, paths).tolist()


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('2007_000039\n2007_000032\n', [0, 1]),
        ('\n 2007_000039 \r\n\n', [1]),
        ('2007_000039\n2007_000039', [1]),
        ('img/2007_000039.jpg', [1]),
        ('/img/2007_000039.jpg /SegmentationClassAug/2007_000039.png', [1]),
        ('a/7.png\nb/7', [2, 3]),
        ('two words', [4]),
        ('v1.2\nv1.2.jpg', [5]),
        ('', []),
        ('./2007_000039\nimg/../2007_000039', [1]),
        ('./a/7.png\na//7', [2]),
        ('img\\v1.2.jpg', [5]),
        ('\ufeff2007_000039', [1]),
        ('5\n0\n3\n', [0, 3, 5]),
        ('2007_000032\nimg/v1.2.jpg\n', [0, 5]),
    ],
)
def test_names_paths_and_positions(tmp_path: Path, text: str, found: list[int]) -> None:
    assert read(tmp_path, text) == found


def test_a_number_that_is_a_name_is_a_name(tmp_path: Path) -> None:
    assert read(tmp_path, '1\n0\n', ['2.png', '1.png', '0.png']) == [1, 2]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('2007_000032\n2007_000033\n', "line 2: '2007_000033' is not an image"),
        ('2007_000032\n\n5\n', "line 3: '5' is not an image"),
        ('0\n6\n', 'line 2: position 6.* 0 to 5'),
        ('7\n', "line 1: '7' could be any of data/a/7.png, data/b/7.png"),
        ('c/7.png\n', "line 1: 'c/7.png' is not an image"),
        ('a/8.png x\n', "'a/8.png' is not an image"),
        ('eimg/v1.2\n', "'eimg/v1.2' is not an image"),
        ('-1\n', "'-1' is not an image"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert 'train-0.txt' in str(caught.value)


def test_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'protocol\.split_files.*none.txt'):
        read_image_list(tmp_path / 'none.txt', PATHS)


@pytest.mark.parametrize(('encoding', 'line'), [('utf-16', 1), ('latin-1', 2)])
def test_lists_in_other_encodings_are_named(tmp_path: Path, encoding: str, line: int) -> None:
    file = tmp_path / 'train-0.txt'
    file.write_text('2007_000039\ncafé\n', encoding=encoding)
    with pytest.raises(ConfigError, match=rf'protocol\.split_files: .*train-0.txt, line {line}: .*iconv'):
        read_image_list(file, PATHS)


def test_the_21_cities() -> None:
    assert len(set(CITIES)) == 21
    assert CITIES[11] == 'dusseldorf' and CITIES[18:] == ('frankfurt', 'lindau', 'munster')


@pytest.mark.parametrize(
    ('path', 'domain'),
    [
        ('leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png', 'aachen'),
        ('ulm_000001_000019.png', 'ulm'),
        ('/bremen/ulm/000001.png', 'ulm'),
        ('ulm.png', 'ulm'),
        ('ulmer_1.png', None),
        ('berlin/1.png', None),
    ],
)
def test_folder_then_file_name(path: str, domain: str | None) -> None:
    assert domain_of(path, CITIES) == domain


def test_the_longest_name_wins() -> None:
    assert domain_of('rain_night_1.png', ['rain', 'rain_night']) == 'rain_night'


def test_images_of_no_domain() -> None:
    with pytest.raises(ConfigError, match='1 images belong to no domain, for example x/b.png'):
        domains_of(['ulm/a.png', 'x/b.png'], CITIES)
