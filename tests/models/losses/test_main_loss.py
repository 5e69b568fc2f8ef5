"""Tests of what main losses share, on all of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

import mmciss.models.losses  # noqa: F401
from mmciss.errors import ConfigError
from mmciss.models.losses.main_loss import MainLoss
from tests.functional import closed_form as cf
from tests.models.losses import samples

TYPES = [
    'UnbiasedCrossEntropyLoss',
    'SigmoidCrossEntropyLoss',
    'GradientCompensatedCrossEntropyLoss',
    'NewClassBCELoss',
]
parametrize_types = pytest.mark.parametrize('kind', TYPES)


class PlainCrossEntropy(MainLoss):
    """The smallest main loss."""

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        return F.cross_entropy(logits, target, ignore_index=ignore_index, reduction='none')


@pytest.mark.filterwarnings('ignore:Default ``avg_non_ignore``:UserWarning')
@pytest.mark.parametrize('avg_non_ignore, reduction', [(False, 'pixel_mean'), (True, 'valid_mean')])
@pytest.mark.parametrize(
    'override, avg_factor',
    [(None, None), ('none', None), ('sum', None), ('mean', None), (None, 7.0), ('none', 7.0), ('mean', 7.0)],
)
def test_reduces_as_mmsegmentation_does(
    avg_non_ignore: bool, reduction: str, override: str | None, avg_factor: float | None
) -> None:
    theirs = MODELS.build(dict(type='CrossEntropyLoss', avg_non_ignore=avg_non_ignore, loss_weight=0.5))
    ours = PlainCrossEntropy(reduction, loss_weight=0.5)
    arguments = dict(
        weight=torch.linspace(0, 2, 128).view(2, 8, 8),
        reduction_override=override,
        avg_factor=avg_factor,
        ignore_index=255,
    )
    torch.testing.assert_close(
        ours(cf.logits(), cf.labels(), **arguments), theirs(cf.logits(), cf.labels(), **arguments)
    )


@parametrize_types
def test_face_of_an_mmsegmentation_loss(kind: str) -> None:
    loss = MODELS.build(dict(type=kind, loss_weight=3.0, loss_name='loss_main'))
    loss.prepare(samples.later())
    assert loss.loss_name == 'loss_main' and loss.num_old == 4
    single = MODELS.build(dict(type=kind))
    single.prepare(samples.later())
    assert single.loss_name.startswith('loss_')
    torch.testing.assert_close(loss(cf.logits(), cf.labels()), 3 * single(cf.logits(), cf.labels()))
    assert not loss.state_dict()


@parametrize_types
def test_pixel_weights_and_ignored_pixels(kind: str) -> None:
    loss = MODELS.build(dict(type=kind, reduction='none'))
    loss.prepare(samples.later())
    weight = torch.linspace(0, 2, 128).view(2, 8, 8)
    plain = loss(cf.logits(), cf.labels())
    torch.testing.assert_close(loss(cf.logits(), cf.labels(), weight=weight), weight * plain)
    assert not plain[cf.labels() == 255].any() and plain[cf.labels() != 255].all()
    assert not loss(cf.logits(), torch.full((2, 8, 8), 254), ignore_index=254).any()


def test_no_old_channels_at_the_base_step_and_without_new_classes() -> None:
    loss = PlainCrossEntropy()
    assert loss.num_old == 0
    for step, expected in [(samples.base(), 0), (samples.later(), 4), (samples.domain(), 0)]:
        loss.prepare(step)
        assert loss.num_old == expected


def test_unknown_reduction_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r"PlainCrossEntropy\.reduction.*'mean'"):
        PlainCrossEntropy('mean')


@parametrize_types
def test_points_are_an_image_one_pixel_wide(kind: str) -> None:
    loss = MODELS.build(dict(type=kind))
    loss.prepare(samples.later())
    logits, label = cf.logits().flatten(2), cf.labels().flatten(1)
    torch.testing.assert_close(loss(logits, label), loss(logits.unsqueeze(3), label.unsqueeze(2)))
    torch.testing.assert_close(loss(logits, label), loss(cf.logits(), cf.labels()))
