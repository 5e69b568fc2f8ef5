"""Tests of class sums and prototypes."""

from __future__ import annotations

import torch

from mmciss.functional import class_sums, update_prototypes
from mmciss.functional.prototypes import released_pixel_means
from tests.functional.feature_lists import latent, pixels_of, released_pixels


def test_sums_and_counts() -> None:
    features, labels, _ = latent()
    labels[1, 6, 6] = 255
    found = class_sums(features, labels, 6)
    assert found.present.tolist() == [True, False, False, False, True, True]
    for c in range(6):
        pixels = pixels_of(features, labels, c)
        assert found.counts[c] == len(pixels)
        torch.testing.assert_close(found.sums[c], pixels.sum(0))
    torch.testing.assert_close(found.means[4], pixels_of(features, labels, 4).mean(0))
    assert not found.means[1].any()


def test_released_reshapes() -> None:
    features, labels, _ = latent()
    rows, columns = class_sums(features, labels, 6, compat=True), released_pixel_means(features, labels, 6)
    for c in (0, 4, 5):
        pixels = released_pixels(features, labels, c)
        torch.testing.assert_close(rows.means[c], pixels.mean(0))
        torch.testing.assert_close(columns.means[c], pixels.T.reshape(-1, 6).mean(0))


def test_release_is_right_for_a_single_image() -> None:
    features, labels, _ = latent()
    compat, right = (class_sums(features[:1], labels[:1], 6, c) for c in (True, False))
    torch.testing.assert_close(compat.sums, right.sums)
    both, right = (class_sums(features, labels, 6, c) for c in (True, False))
    assert not torch.allclose(both.sums, right.sums)


def test_autocast_keeps_the_digits() -> None:
    features, labels, _ = latent()
    expected = class_sums(features, labels, 6).sums
    with torch.autocast('cpu', torch.bfloat16):
        found = class_sums(features, labels, 6).sums
    assert torch.equal(found, expected)


def test_all_ignored() -> None:
    features, labels, _ = latent()
    for compat in (True, False):
        found = class_sums(features, torch.full_like(labels, 255), 6, compat)
        assert not found.sums.any() and not found.counts.any() and not found.means.any()


def test_two_batches_equal_one() -> None:
    features, labels, _ = latent()
    prototypes, counts = torch.zeros(6, 6), torch.zeros(6, dtype=torch.long)
    for i in (0, 1):
        batch = class_sums(features[i : i + 1], labels[i : i + 1], 6)
        prototypes, counts = update_prototypes(prototypes, counts, batch)
    for c in range(6):
        pixels = pixels_of(features, labels, c)
        assert counts[c] == len(pixels)
        if len(pixels):
            torch.testing.assert_close(prototypes[c], pixels.mean(0))
    assert not prototypes[1].any() and counts.dtype == torch.long


def test_long_runs_keep_their_digits() -> None:
    features, labels, _ = latent()
    batch = class_sums(features, labels, 6)
    prototypes, counts = update_prototypes(batch.means, batch.counts * 10**12, batch)
    torch.testing.assert_close(prototypes, batch.means)
    assert counts[4] == batch.counts[4] * (10**12 + 1)
