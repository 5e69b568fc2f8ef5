"""Tests of SSUL's pseudo labels."""

from __future__ import annotations

import math

import torch

from mmciss.functional import threshold_pseudo_labels


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_rule() -> None:
    #                      sure class   unsure class  sure background  labelled  ignored
    scores = torch.tensor(
        [
            [logit(0.2), logit(0.2), logit(0.9), logit(0.2), logit(0.2)],
            [logit(0.8), logit(0.6), logit(0.8), logit(0.9), logit(0.9)],
            [logit(0.1), logit(0.3), logit(0.1), logit(0.1), logit(0.1)],
        ]
    )
    target = torch.tensor([[[0, 0, 0, 3, 255]]])
    found = threshold_pseudo_labels(target, scores.view(1, 3, 1, 5))
    assert found.tolist() == [[[1, 0, 0, 3, 255]]]
    assert target.tolist() == [[[0, 0, 0, 3, 255]]]


def test_two_channels_that_are_no_class() -> None:
    scores = torch.tensor([[-1.0, -1.0], [3.0, -1.0], [2.0, 3.0]]).view(1, 3, 1, 2)
    found = threshold_pseudo_labels(torch.tensor([[[1, 0]]]), scores, num_background=2)
    assert found.tolist() == [[[1, 2]]]


def test_threshold_itself_is_enough() -> None:
    scores = torch.tensor([-5.0, 0.0]).view(1, 2, 1, 1)
    assert threshold_pseudo_labels(torch.zeros(1, 1, 1, dtype=torch.long), scores, 0.5) == 1
