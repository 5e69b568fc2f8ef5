"""Tests of what extra losses share, on those that compare logits."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

import mmciss.models.losses  # noqa: F401
from mmciss.errors import ConfigError
from tests.functional import closed_form as cf
from tests.models.losses import samples

TYPES = ['UnbiasedDistillationLoss', 'LogitDistillationLoss', 'SigmoidDistillationLoss', 'LabelGuidedDistillationLoss']
parametrize_types = pytest.mark.parametrize('kind', TYPES)


@parametrize_types
def test_weight_scales(kind: str) -> None:
    one, three = (MODELS.build(dict(type=kind, loss_weight=w)) for w in (1.0, 3.0))
    arguments = samples.student(), samples.teacher(), cf.labels(), samples.later()
    assert one.needs == ('logits', 'teacher') and one.layers == ()
    torch.testing.assert_close(three(*arguments), 3 * one(*arguments))


@parametrize_types
def test_resolution(kind: str) -> None:
    """At the image's size the logits are upsampled first; at their own they are not."""
    small = samples.student(4), samples.teacher(4)
    image, logit = (MODELS.build(dict(type=kind, resolution=r)) for r in ('image', 'logit'))
    rest = cf.labels(), samples.later()
    upsampled = [type(x)(x.logits_at((8, 8))) for x in small]
    torch.testing.assert_close(image(*small, *rest), logit(*upsampled, *rest))
    assert not torch.isclose(image(*small, *rest), logit(*small, *rest))


@parametrize_types
def test_zero_without_a_teacher(kind: str) -> None:
    assert MODELS.build(dict(type=kind))(samples.student(), None, cf.labels(), samples.base()) == 0


@parametrize_types
def test_no_state(kind: str) -> None:
    assert not MODELS.build(dict(type=kind)).state_dict()


@parametrize_types
def test_unknown_resolution_names_the_key(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{kind}\.resolution.*'pixel'"):
        MODELS.build(dict(type=kind, resolution='pixel'))
