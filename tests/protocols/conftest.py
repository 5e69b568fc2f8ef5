"""The real masks of PASCAL VOC 2012, scanned once per session."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from mmciss.protocols import ClassPresence, scan_masks
from tests.paths import shared_data


@pytest.fixture(scope='session')
def lists() -> Path:
    """The folder of published image lists."""
    return shared_data() / 'lists'


@pytest.fixture(scope='session')
def voc(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ClassPresence]:
    """Presence in the 10,582 training and the 1,449 validation masks, in the official order."""
    folder = tmp_path_factory.mktemp('voc12')
    with tarfile.open(shared_data() / 'voc12_masks.tar') as tar:
        tar.extractall(folder, filter='data')
    found = {}
    for split, name in (('train', 'train_aug'), ('val', 'val')):
        stems = (lists / 'voc12' / f'{name}.txt').read_text().split()
        scan = scan_masks([folder / 'SegmentationClassAug' / f'{stem}.png' for stem in stems])
        found[split] = ClassPresence.from_counts(scan.dense()[:, :21])
    return found


@pytest.fixture(scope='session')
def voc_stems(lists: Path) -> list[str]:
    """Names of the training images in the official order."""
    return (lists / 'voc12' / 'train_aug.txt').read_text().split()


@pytest.fixture(scope='session')
def ade(lists: Path) -> dict[str, ClassPresence]:
    """Presence from ADE20K's image-level labels, which are 0-based there."""
    found = {}
    for split in ('train', 'val'):
        lines = (lists / 'ssul_ade' / f'{split}_cls.txt').read_text().splitlines()
        labels = [[int(item) + 1 for item in line.split()[1:]] for line in lines]
        found[split] = ClassPresence.from_labels(labels, 150)
    return found
