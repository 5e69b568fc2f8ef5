"""Auxiliary channels behind the classes, inside the context only."""

from __future__ import annotations

import pytest
import torch

from mmciss.models.auxiliary_output import auxiliary_appended
from mmciss.models.building import build_grown_segmentor
from tests.models.tiny import batch, segmentor_config


def test_channels_are_appended_for_a_while() -> None:
    torch.manual_seed(0)
    segmentor = build_grown_segmentor(segmentor_config(3), (3,), dict(auxiliary=2)).eval()
    inputs, _ = batch()
    plain = segmentor(inputs, mode='tensor')
    with auxiliary_appended(segmentor) as count:
        more = segmentor(inputs, mode='tensor')
        assert segmentor.out_channels == 5
    assert count == 2 and more.shape[1] == 5
    # Five outputs may be computed by another kernel than three, in float32.
    torch.testing.assert_close(more[:, :3], plain, rtol=1e-5, atol=1e-6)
    assert torch.equal(segmentor(inputs, mode='tensor'), plain)
    assert segmentor.out_channels == 3


def test_an_error_inside_leaves_nothing_behind() -> None:
    segmentor = build_grown_segmentor(segmentor_config(3), (3,), dict(auxiliary=1)).eval()
    with pytest.raises(RuntimeError), auxiliary_appended(segmentor):
        raise RuntimeError
    assert segmentor(batch()[0], mode='tensor').shape[1] == 3


def test_a_model_without_auxiliary_channels_is_left_alone() -> None:
    segmentor = build_grown_segmentor(segmentor_config(3), (3,)).eval()
    with auxiliary_appended(segmentor) as count:
        assert count == 0 and segmentor(batch()[0], mode='tensor').shape[1] == 3
