"""Weights through the sampler slot of heads."""

from __future__ import annotations

import torch
from torch import nn

from mmciss.models.labelers.labeler import PixelWeights, install_pixel_weights


class Own(PixelWeights):
    """A sampler that a head had from its config."""

    def sample(self, seg_logit: torch.Tensor, seg_label: torch.Tensor) -> torch.Tensor:
        return torch.full((1, 2, 2), 3.0)


def test_weights_are_multiplied_with_the_heads_own() -> None:
    sampler, labels = PixelWeights(Own()), torch.zeros(1, 1, 2, 2)
    assert sampler.sample(None, labels).unique().tolist() == [3.0]
    sampler.weights = torch.tensor([[[0.0, 1.0], [2.0, 1.0]]])
    assert sampler.sample(None, labels).flatten().tolist() == [0.0, 3.0, 6.0, 3.0]
    assert PixelWeights().sample(None, labels) is None


def test_weights_follow_labels_that_are_coarser() -> None:
    sampler = PixelWeights()
    sampler.weights = torch.arange(16.0).view(1, 4, 4)
    assert sampler.sample(None, torch.zeros(1, 1, 2, 2)).tolist() == [[[0.0, 2.0], [8.0, 10.0]]]


def test_installing_twice_changes_nothing() -> None:
    head = nn.Module()
    head.sampler = None
    first = install_pixel_weights([head])
    assert install_pixel_weights([head]) == first and head.sampler is first[0]


def test_a_head_of_heads_has_its_sampler_in_the_first_inner_head() -> None:
    head = nn.Module()
    head.kernel_generate_head = nn.Module()
    head.kernel_generate_head.sampler = None
    (installed,) = install_pixel_weights([head])
    assert head.kernel_generate_head.sampler is installed
