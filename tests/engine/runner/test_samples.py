"""Images of the contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmciss.engine.runner.samples import LONG_SIDE, NUM_SAMPLES, MostChanged, as_rgb, choose_samples, thumbnail
from mmciss.protocols.labels import UNKNOWN


def test_images_together_show_as_many_classes_as_possible() -> None:
    presence = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    assert sorted(choose_samples(presence, 3)) == [1, 2, 4]


def test_images_are_not_frames_of_one_video() -> None:
    presence = np.zeros((100, 3), dtype=bool)
    presence[:60] = [True, True, False]  # a long video
    presence[60:] = [True, False, False]
    presence[97, 2] = True
    chosen = choose_samples(presence)
    assert 97 in chosen[:2] and min(np.diff(sorted(chosen))) >= 10


def test_classes_of_later_steps_come_first() -> None:
    presence = np.zeros((50, 40), dtype=bool)
    for image in range(50):
        presence[image, np.arange(3 * image, 3 * image + 3) % 35] = True
    for column, image in enumerate((3, 4, 9, 20, 40), start=35):
        presence[image] = np.arange(40) == column
    assert {3, 4, 9, 20, 40} <= set(choose_samples(presence, base=35))
    assert not {3, 4, 9, 20, 40} & set(choose_samples(presence))


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 999))
def test_choice_is_without_repetition_and_always_the_same(images: int, classes: int, seed: int) -> None:
    presence = np.random.default_rng(seed).random((images, classes)) < 0.4
    chosen = choose_samples(presence)
    assert len(chosen) == len(set(chosen)) == min(6, images)
    assert chosen == choose_samples(presence) == choose_samples(presence, base=classes)
    assert len(set(choose_samples(presence, base=0))) == len(chosen)


def test_thumbnails_keep_labels_and_fill_with_ignore() -> None:
    label = np.full((20, 40), 7, np.uint8)
    small = thumbnail(label, nearest=True)
    assert small.shape == (LONG_SIDE, LONG_SIDE)
    assert set(np.unique(small)) == {7, 255}
    assert (small[: LONG_SIDE // 2] == 7).all() and (small[LONG_SIDE // 2 :] == 255).all()
    assert thumbnail(np.zeros((30, 10, 3), np.uint8), nearest=False).shape == (LONG_SIDE, LONG_SIDE, 3)


@pytest.mark.parametrize('kind', [torch.uint8, torch.float32, torch.int32])
def test_pictures_are_colours_whatever_the_pipeline_loads(kind: torch.dtype) -> None:
    colours = torch.arange(3 * 4 * 5).reshape(3, 4, 5).to(kind)
    expected = colours.numpy().astype(np.uint8)[::-1].transpose(1, 2, 0)
    np.testing.assert_array_equal(as_rgb(colours), expected)
    np.testing.assert_array_equal(as_rgb(torch.cat([colours, colours[:1]])), expected)
    np.testing.assert_array_equal(as_rgb(colours[:1]), np.repeat(expected[..., 2:], 3, axis=2))


def test_deep_pictures_are_scaled() -> None:
    assert as_rgb(torch.tensor([[[0, 32768, 65535]]], dtype=torch.int32)).ravel()[[0, 3, 6]].tolist() == [0, 127, 255]


def test_images_that_changed_most_are_kept_in_order(tmp_path: Path) -> None:
    samples = MostChanged()
    old, image = torch.zeros(8, 8, dtype=torch.int64), torch.zeros(3, 8, 8)
    for changed in range(8):
        new = old.clone()
        new[:changed] = 3
        samples.add(image, torch.full_like(old, UNKNOWN), old, new, num_old=3)
    (tmp_path / 'a').mkdir()
    samples.write([tmp_path / 'a', tmp_path / 'b'])
    with np.load(tmp_path / 'a' / 'samples.npz') as before, np.load(tmp_path / 'b' / 'samples.npz') as after:
        shares = (after['predictions'] != before['predictions']).mean((1, 2))
        assert len(shares) == NUM_SAMPLES and shares.tolist() == [number / 8 for number in (7, 6, 5, 4, 3, 2)]
        assert (before['labels'] == 255).all(), 'what is not labelled is ignored'
