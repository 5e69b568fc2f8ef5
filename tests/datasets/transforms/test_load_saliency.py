"""Saliency maps are transformed along with the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmciss.datasets.seeding import seeded
from mmciss.datasets.transforms import LoadSaliency, PackSaliencyInputs, SegRandomResizedCrop
from mmciss.errors import ConfigError


def results(tmp_path: Path, saliency: np.ndarray | None) -> dict:
    if saliency is not None:
        Image.fromarray(saliency).save(tmp_path / 'a.png')
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    return dict(
        img=np.zeros((3, 4, 3), np.uint8),
        img_path='JPEGImages/a.jpg',
        gt_seg_map=labels,
        seg_fields=['gt_seg_map'],
        ori_shape=(3, 4),
        img_shape=(3, 4),
        pad_shape=(3, 4),
    )


def test_the_map_is_loaded_cropped_with_the_labels_and_packed(tmp_path: Path) -> None:
    saliency = np.array([[0, 1, 200, 0]] * 3, dtype=np.uint8)
    loaded = LoadSaliency(str(tmp_path))(results(tmp_path, saliency))
    assert loaded['gt_saliency'].tolist() == [[0, 1, 1, 0]] * 3
    assert loaded['seg_fields'] == ['gt_seg_map', 'gt_saliency']
    with seeded(0, 0):
        cropped = SegRandomResizedCrop(6, scale=(0.3, 0.6))(loaded)
    salient = np.isin(cropped['gt_seg_map'] % 4, (1, 2))
    assert np.array_equal(cropped['gt_saliency'], salient)
    sample = PackSaliencyInputs()(cropped)['data_samples']
    assert torch.equal(sample.gt_saliency.data, torch.from_numpy(salient[None].astype(np.uint8)))
    assert sample.gt_sem_seg.data.shape == (1, 6, 6)


def test_the_threshold(tmp_path: Path) -> None:
    saliency = np.array([[0, 1, 200, 0]] * 3, dtype=np.uint8)
    loaded = LoadSaliency(str(tmp_path), threshold=100)(results(tmp_path, saliency))
    assert loaded['gt_saliency'][0].tolist() == [0, 0, 1, 0]


def test_without_a_map_the_inputs_are_packed_as_usual(tmp_path: Path) -> None:
    assert 'gt_saliency' not in PackSaliencyInputs()(results(tmp_path, None))['data_samples']


def test_missing_folder_file_and_wrong_size_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'LoadSaliency.folder: not found: nowhere'):
        LoadSaliency('nowhere')
    with pytest.raises(FileNotFoundError, match=r'a.png: no readable saliency map for JPEG.*folder'):
        LoadSaliency(str(tmp_path))(results(tmp_path, None))
    with pytest.raises(ValueError, match=r'a.png: is \(2, 2\), its image .* is \(3, 4\)'):
        LoadSaliency(str(tmp_path))(results(tmp_path, np.zeros((2, 2), np.uint8)))
