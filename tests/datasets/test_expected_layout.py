"""Missing data sets are refused with the expected layout and where to get the data."""

from __future__ import annotations

from pathlib import Path

import mmseg.datasets
import pytest

import mmciss.datasets
from mmciss.datasets.expected_layout import LAYOUTS, check_layout, plain_configs
from mmciss.errors import ConfigError


def voc(root: Path, **kwargs: object) -> dict:
    return dict(
        type='PascalVOCDataset',
        data_root=str(root),
        ann_file='lists/train.txt',
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        **kwargs,
    )


def make(root: Path) -> None:
    for folder in ('lists', 'images', 'masks'):
        (root / folder).mkdir(parents=True)
    (root / 'lists/train.txt').write_text('a\n')


def test_complete_data_set_passes(tmp_path: Path) -> None:
    make(tmp_path)
    check_layout(dict(type='ConcatDataset', datasets=[voc(tmp_path), voc(tmp_path)]))


@pytest.mark.parametrize(
    'gone, key',
    [
        ('', 'data_root'),
        ('lists/train.txt', 'ann_file'),
        ('images', 'data_prefix.img_path'),
        ('masks', 'data_prefix.seg_map_path'),
    ],
)
def test_says_what_is_missing_how_it_looks_and_where_it_is_from(tmp_path: Path, gone: str, key: str) -> None:
    root = tmp_path / 'VOC2012'
    if gone:
        make(root)
        (root / gone).rename(tmp_path / 'elsewhere')
    with pytest.raises(ConfigError) as error:
        check_layout(dict(type='RepeatDataset', times=2, dataset=voc(root)))
    message = str(error.value)
    for part in (
        f'PascalVOCDataset.{key}',
        str(root / gone),
        'JPEGImages/*.jpg',
        'SegmentationClassAug',
        'host.robots.ox.ac.uk',
        '{train,aug,val}.txt',
    ):
        assert part in message


def test_unknown_data_set_names_the_keys(tmp_path: Path) -> None:
    config = dict(type='MyDataset', data_root=str(tmp_path / 'none'))
    with pytest.raises(ConfigError, match='MyDataset.data_root: not found.*data_prefix'):
        check_layout(config)


def test_absolute_paths_and_other_storage(tmp_path: Path) -> None:
    make(tmp_path)
    config = voc(tmp_path / 'none')
    config.update(ann_file=str(tmp_path / 'lists/train.txt'), data_root='')
    config['data_prefix'] = dict(img_path=str(tmp_path / 'images'))
    check_layout(config)
    check_layout(voc(tmp_path / 'none', backend_args=dict(backend='petrel')))
    check_layout(dict(type='PascalVOCDataset', data_root='s3://bucket/voc'))


def test_empty_image_list(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / 'lists/train.txt').write_text('')
    with pytest.raises(ConfigError, match='ann_file: .*train.txt is empty'):
        check_layout(voc(tmp_path))


def test_shapes_are_drawn_on_first_use(tmp_path: Path) -> None:
    check_layout(dict(type='ShapesDataset', data_root=str(tmp_path / 'shapes')))


def test_every_known_layout_names_a_data_set() -> None:
    for name, layout in LAYOUTS.items():
        assert hasattr(mmseg.datasets, name) or hasattr(mmciss.datasets, name)
        assert '{root}' in layout.tree and layout.source


def test_nested_configs() -> None:
    inner = [dict(type='A'), dict(type='B'), dict(type='C')]
    nested = dict(
        type='ConcatDataset',
        datasets=[
            inner[0],
            dict(type='RepeatDataset', dataset=inner[1]),
            dict(type='ConcatDataset', datasets=[inner[2]]),
        ],
    )
    assert list(plain_configs(nested)) == inner


def test_a_folder_instead_of_a_list_is_refused(tmp_path: Path) -> None:
    # BaseSegDataset takes all images of the folder then, the validation images too.
    make(tmp_path)
    for ann_file in ('lists', 'lists/', '.'):
        with pytest.raises(ConfigError, match='PascalVOCDataset.ann_file: .* is a folder; give a file'):
            check_layout({**voc(tmp_path), 'ann_file': ann_file})
    check_layout({**voc(tmp_path), 'ann_file': ''})
    check_layout({**voc(tmp_path), 'type': 'DatasetOfSomebody', 'ann_file': 'lists'})


@pytest.mark.parametrize(
    'content, message',
    [
        ('b\ncafé\n'.encode('latin-1'), 'train.txt, line 2: byte 0xE9 is not UTF-8'),
        ('a\n'.encode('utf-16'), 'train.txt, line 1: the file is in UTF-16'),
        (b'\xef\xbb\xbfa\n', 'train.txt, line 1: begins with a byte order mark'),
        (b'a\n\0\n', 'train.txt, line 2: holds NUL bytes'),
        (b' \n\n', 'train.txt is empty'),
    ],
)
def test_lists_that_are_no_plain_text_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / 'lists/train.txt').write_bytes(content)
    with pytest.raises(ConfigError, match=f'PascalVOCDataset.ann_file: .*{message}'):
        check_layout(voc(tmp_path))


def test_a_file_of_class_names_is_text_too(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / 'names.txt').write_text('café\n', encoding='latin-1')
    with pytest.raises(ConfigError, match='PascalVOCDataset.metainfo.classes: .*names.txt, line 1'):
        check_layout(voc(tmp_path, metainfo=dict(classes=str(tmp_path / 'names.txt'))))
