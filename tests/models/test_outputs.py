from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.models.classifiers import GrowableConv2d
from mmciss.models.outputs import SegOutput


@pytest.mark.parametrize('align_corners', [False, True])
def test_logits_at_is_bilinear_and_computed_once(align_corners: bool) -> None:
    logits = torch.randn(2, 3, 4, 5)
    output = SegOutput(logits, align_corners=align_corners)
    full = output.logits_at((16, 20))
    wanted = F.interpolate(logits, (16, 20), mode='bilinear', align_corners=align_corners)
    assert torch.equal(full, wanted)
    assert output.logits_at(torch.Size([16, 20])) is full


def test_logits_at_their_own_size_are_not_copied() -> None:
    logits = torch.randn(1, 2, 4, 4)
    assert SegOutput(logits).logits_at((4, 4)) is logits


def test_remembered_logits_are_returned() -> None:
    output, full = SegOutput(torch.zeros(1, 2, 4, 4)), torch.ones(1, 2, 8, 8)
    output.remember_logits(full)
    assert output.logits_at((8, 8)) is full
    assert output.logits_at((16, 16)).abs().max() == 0


@pytest.mark.parametrize('shape', [(1, 3, 8, 8), (2, 2, 8, 8)])
def test_logits_of_another_model_or_batch_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r'\(1, 2, 4, 4\)'):
        SegOutput(torch.zeros(1, 2, 4, 4)).remember_logits(torch.zeros(shape))


def test_two_outputs_share_no_cache() -> None:
    first, second = SegOutput(torch.zeros(1, 2, 2, 2)), SegOutput(torch.ones(1, 2, 2, 2))
    first.logits_at((4, 4))
    assert second.logits_at((4, 4)).min() == 1


def test_auxiliary_channels_see_the_embedding_without_gradient() -> None:
    classifier = GrowableConv2d(4, (3, 1), auxiliary=2)
    embedding = torch.randn(1, 4, 3, 3, requires_grad=True)
    output = SegOutput(classifier(embedding), embedding, classifier=classifier)
    assert output.auxiliary.shape == (1, 2, 3, 3)
    assert output.auxiliary_at((6, 6)).shape == (1, 2, 6, 6)
    output.auxiliary.sum().backward()
    assert embedding.grad is None and classifier.auxiliary.weight.grad is not None


def test_without_auxiliary_channels_there_are_none() -> None:
    classifier = GrowableConv2d(4, (3,))
    output = SegOutput(torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 2, 2), classifier=classifier)
    assert output.auxiliary is None and output.auxiliary_at((4, 4)) is None
    assert (
        SegOutput(torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 2, 2), classifier=torch.nn.Conv2d(4, 3, 1)).auxiliary
        is None
    )
