"""ClassPresence."""

from __future__ import annotations

import numpy as np
import pytest

from mmciss.protocols import ClassPresence


def test_counts_become_presence() -> None:
    presence = ClassPresence.from_counts([[10, 0, 5], [0, 7, 0], [3, 0, 0]])
    assert (presence.num_images, presence.num_classes) == (3, 2)
    assert presence.matrix.tolist() == [[True, False, True], [False, True, False], [True, False, False]]
    assert presence.pixels.dtype == np.int64
    assert presence.images_with([1, 2]).tolist() == [0, 1]
    assert presence.images_with([0]).tolist() == [0, 2] and presence.images_with([]).tolist() == []


def test_labels_become_presence() -> None:
    presence = ClassPresence.from_labels([[2], [], [1, 3, 1]], num_classes=3)
    assert presence.pixels.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]]


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match='read-only'):
        ClassPresence.from_counts([[1, 2]]).pixels[0, 0] = 3


@pytest.mark.parametrize('counts', [[1, 2], [[1], [2]], [[1, -1]]])
def test_tables_of_something_else(counts: list) -> None:
    with pytest.raises(ValueError, match='pixel counts must be'):
        ClassPresence.from_counts(counts)


def test_image_level_labels_of_voc_are_those_of_its_masks(voc: dict, lists) -> None:
    for split, name in (('train', 'train_aug'), ('val', 'val')):
        lines = (lists / 'voc12' / f'{name}_cls.txt').read_text().splitlines()
        labels = [[int(item) for item in line.split()[1:]] for line in lines]
        published = ClassPresence.from_labels(labels, 20)
        assert np.array_equal(published.matrix[:, 1:], voc[split].matrix[:, 1:])
