"""Tests of the running means."""

from __future__ import annotations

import torch

from mmciss.functional import class_sums, update_prototypes
from tests.functional.feature_lists import latent, pixels_of


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
