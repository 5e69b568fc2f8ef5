"""Checking that a data set's files exist, and saying how they should be laid out and where to get them."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmseg.datasets import BaseCDDataset, BaseSegDataset
from mmseg.registry import DATASETS

from mmciss.errors import ConfigError
from mmciss.registry import class_of
from mmciss.utils.text_files import read_text

READERS = (BaseSegDataset.load_data_list, BaseCDDataset.load_data_list)
"""How MMSegmentation reads image lists; the ``ann_file`` of other data sets may be anything."""


@dataclass(frozen=True)
class Layout:
    """What a data set looks like on disk, and where to get it."""

    title: str
    tree: str
    source: str


_VOC_TREE = """{root}/
    JPEGImages/*.jpg
    SegmentationClass/*.png
    SegmentationClassAug/*.png      (SBD augmentation)
    ImageSets/Segmentation/{{train,aug,val}}.txt"""

LAYOUTS: dict[str, Layout] = {
    'PascalVOCDataset': Layout(
        'PASCAL VOC 2012 with the SBD augmentation',
        _VOC_TREE,
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ and, for the augmentation, the SBD data '
        "set converted by MMSegmentation's tools/dataset_converters/voc_aug.py",
    ),
    'ADE20KDataset': Layout(
        'ADE20K (SceneParsing, 150 classes)',
        """{root}/
    images/{{training,validation}}/*.jpg
    annotations/{{training,validation}}/*.png""",
        'http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip',
    ),
    'CityscapesDataset': Layout(
        'Cityscapes (fine annotations)',
        """{root}/
    leftImg8bit/{{train,val}}/CITY/*_leftImg8bit.png
    gtFine/{{train,val}}/CITY/*_gtFine_labelTrainIds.png""",
        "https://www.cityscapes-dataset.com (registration), then MMSegmentation's "
        'tools/dataset_converters/cityscapes.py for the labelTrainIds',
    ),
    'CityscapesLabelIdsDataset': Layout(
        'Cityscapes (fine annotations)',
        """{root}/
    leftImg8bit/{{train,val}}/CITY/*_leftImg8bit.png
    gtFine/{{train,val}}/CITY/*_gtFine_labelIds.png""",
        'https://www.cityscapes-dataset.com (registration)',
    ),
    'Voc6Dataset': Layout(
        'voc6 (six classes of PASCAL VOC 2012)',
        """{root}/
    JPEGImages/*.jpg
    SegmentationVoc6/*.png          (0 background, 1 cat, 2 cow, 3 dog, 4 horse, 5 person, 6 sheep)
    ImageSets/Segmentation/{{train_aug,val}}.txt""",
        'a subset of PASCAL VOC 2012 with the SBD augmentation, '
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/; set data_root with '
        '--cfg-options data_root=FOLDER',
    ),
    'ShapesDataset': Layout(
        'shapes (drawn by mmciss)',
        """{root}/
    JPEGImages/*.png
    SegmentationClass/*.png
    ImageSets/Segmentation/{{train,val}}.txt""",
        'drawn automatically if data_root does not exist, or by tools/make_shapes.py',
    ),
}
"""Layouts by name of the data set class."""


def plain_configs(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the plain data set configs inside ``config``, however deeply wrapped."""
    inner = [config['dataset']] if isinstance(config.get('dataset'), dict) else []
    inner += [c for c in config.get('datasets', []) if isinstance(c, dict)]
    if inner:
        for child in inner:
            yield from plain_configs(child)
    else:
        yield config


def _paths(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (config key, path) of every path that a plain data set config names."""
    root = config.get('data_root') or ''
    if root:
        yield 'data_root', root
    if config.get('ann_file'):
        yield 'ann_file', osp.join(root, config['ann_file'])
    for key, folder in (config.get('data_prefix') or {}).items():
        if folder:
            yield f'data_prefix.{key}', osp.join(root, folder)


def _message(config: Mapping[str, Any], key: str, path: str) -> str:
    """Returns the error message for a missing path."""
    name = str(config.get('type', '')).rpartition('.')[2]
    text = f'{name}.{key}: not found: {path} (current folder: {osp.abspath(osp.curdir)}).'
    layout = LAYOUTS.get(name)
    if layout is None:
        return text + ' It is set by data_root, ann_file and data_prefix in the config.'
    tree = layout.tree.format(root=config.get('data_root') or 'DATA_ROOT')
    return (
        f'{text}\nExpected for {layout.title}:\n{tree}\nAvailable from: {layout.source}\n'
        'If the data is elsewhere, set data_root in the config.'
    )


def check_layout(config: Mapping[str, Any]) -> None:
    """Checks that the root, the image list and the folders of every data set in ``config`` exist.

    Data that is not on a local disk (``backend_args``, URLs) is not checked.

    Raises:
        ConfigError: Saying what is missing or empty, the expected layout, and where to get the data.
    """
    for plain in plain_configs(config):
        name = str(plain.get('type', '')).rpartition('.')[2]
        root = str(plain.get('data_root') or '')
        if plain.get('backend_args') or '://' in root:
            continue
        if name == 'ShapesDataset' and not osp.exists(osp.join(root or 'data/shapes', 'ImageSets')):
            continue  # drawn on first use, or refused by the data set itself
        for key, path in _paths(plain):
            if not osp.exists(path):
                raise ConfigError(_message(plain, key, path))
            if key == 'ann_file':
                _check_list(plain, name, path)
        classes = (plain.get('metainfo') or {}).get('classes')
        if isinstance(classes, str) and osp.isfile(classes):
            read_text(classes, f'{name}.metainfo.classes', mark_allowed=False)


def _check_list(config: Mapping[str, Any], name: str, path: str) -> None:
    """Refuses image lists that MMSegmentation could not read, or would misread."""
    known = _lists_in_files(config)
    if known and osp.isdir(path):
        # BaseSegDataset would use all images instead.
        raise ConfigError(
            f'{name}.ann_file: {path} is a folder; give a file that lists the images, or leave ann_file out '
            f'to use all images of data_prefix.img_path.'
        )
    if known and not osp.isfile(path):
        raise ConfigError(f'{name}.ann_file: {path} is not a regular file (a FIFO, a socket or a device).')
    if osp.isfile(path) and not (read_text(path, f'{name}.ann_file', False).strip() if known else osp.getsize(path)):
        raise ConfigError(f'{name}.ann_file: {path} is empty; it must list the images.')


def _lists_in_files(config: Mapping[str, Any]) -> bool:
    """Whether a data set reads its list as MMSegmentation's own data sets do, one name per line."""
    return getattr(class_of(DATASETS, config), 'load_data_list', None) in READERS
