"""The configs of voc20 fit its photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.configs.user_configs import CONFIGS, load, name_of, protocol_of
from tests.paths import shared_data


@pytest.fixture(scope='module')
def images() -> np.ndarray:
    """How many training photographs show each class."""
    root = shared_data() / 'voc6/VOCdevkit/VOC2012'
    names = (root / 'ImageSets/Segmentation/train_aug.txt').read_text().split()
    masks = (np.asarray(Image.open(root / f'SegmentationClassAug/{name}.png')) for name in names)
    return sum(np.bincount(mask.ravel(), minlength=256) > 0 for mask in masks)


@pytest.mark.parametrize('path', [path for path in CONFIGS if path.parent.name == 'voc20'], ids=name_of)
def test_every_step_has_photographs_of_its_classes(path: Path, images: np.ndarray) -> None:
    for step in protocol_of(load(path)):
        assert images[list(step.new)].sum() > 0
        if '10-1' not in path.stem:
            assert step.is_base or images[list(step.new)].min() > 20
