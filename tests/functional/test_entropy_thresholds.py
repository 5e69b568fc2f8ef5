"""Tests of PLOP's thresholds."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import binned_thresholds, entropy_histogram, histogram_medians, normalised_entropy
from tests.functional import closed_form as cf
from tests.functional.medians import medians


def test_golden_values_of_the_release() -> None:
    pairs = [
        normalised_entropy(cf.wave((1, 4, 16, 16), 0.53, 0.7 + i, s), 6) for i, s in enumerate([40.0, 25.0, 12.0, 3.0])
    ]
    entropies, classes = (torch.cat(values) for values in zip(*pairs, strict=True))
    expected = torch.tensor([0.009000, 0.007753, 0.007758, 0.008708, 0.001, 0.001])
    found = binned_thresholds(entropy_histogram(entropies, classes, 6))
    torch.testing.assert_close(found, expected, rtol=0, atol=6e-7)
    added = sum(entropy_histogram(*pair, 6) for pair in pairs)
    torch.testing.assert_close(binned_thresholds(added), found)


def test_histogram_median_is_close_to_the_exact_one() -> None:
    generator = torch.Generator().manual_seed(1)
    entropies = torch.rand(5000, generator=generator) ** 2 / 4
    classes = torch.randint(0, 3, (5000,), generator=generator)
    histogram = entropy_histogram(entropies, classes, 4, bins=2000, maximum=0.25)
    assert histogram.sum() == 5000
    found = histogram_medians(histogram, maximum=0.25)
    exact = medians(entropies, classes, 4, minimum=0.001).double()
    torch.testing.assert_close(found, exact, rtol=0, atol=0.25 / 2000 + 1e-4)
    assert found[3] == 0.001


def test_release_gives_up_where_no_bin_holds_half_a_class() -> None:
    entropies = torch.linspace(0.005, 0.995, 100).repeat_interleave(2)
    classes = torch.zeros(200, dtype=torch.long)
    assert float(medians(entropies, classes, 1)) == pytest.approx(0.5)
    assert float(binned_thresholds(entropy_histogram(entropies, classes, 1))) < 0.01


def test_histogram_median_of_an_even_number_is_the_mean_of_the_middle_two() -> None:
    """Also where the two are far apart."""
    from mmciss.functional import entropy_histogram, histogram_medians

    entropies, classes = torch.tensor([0.1, 0.9, 0.2, 0.3, 0.8]), torch.tensor([0, 0, 1, 1, 1])
    found = histogram_medians(entropy_histogram(entropies, classes, 3, bins=1000))
    torch.testing.assert_close(found, torch.tensor([0.5, 0.3, 0.001]).double(), rtol=0, atol=1e-3)
