"""Tests of the loss of auxiliary channels."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.functional import auxiliary_classifier_loss
from mmciss.models.classifiers import GrowableConv2d
from mmciss.models.losses import AuxiliaryClassifierLoss
from mmciss.models.outputs import SegOutput
from tests.functional import closed_form as cf
from tests.models.losses import samples


def output() -> SegOutput:
    """An output whose auxiliary channel is that of the golden value."""
    auxiliary = cf.wave((2, 6, 8, 8), 0.31, 0.2)[:, :1]
    return SegOutput(cf.logits(), auxiliary=auxiliary)


def test_golden_value_and_weight() -> None:
    loss = MODELS.build(dict(type='AuxiliaryClassifierLoss', loss_weight=2.0))
    assert 'teacher' not in loss.needs
    assert cf.near(loss(output(), None, cf.labels(), samples.base()), 2 * 1.160701)


def test_labels_of_positive_and_ignored_pixels() -> None:
    y = cf.labels()
    y[0, 2] = 254
    found = AuxiliaryClassifierLoss(254, 255)(output(), None, y, samples.later())
    expected = auxiliary_classifier_loss(output().auxiliary, y == 254, y == 255)
    torch.testing.assert_close(found, expected)


def test_gradient_stays_in_the_auxiliary_channels() -> None:
    classifier = GrowableConv2d(3, (4, 2), auxiliary=1)
    embedding = cf.wave((2, 3, 4, 4), 0.3, 0.1).requires_grad_(True)
    for resolution in ('image', 'logit'):
        student = SegOutput(classifier(embedding), embedding, classifier=classifier)
        loss = AuxiliaryClassifierLoss(resolution=resolution)
        loss(student, None, cf.labels(), samples.later()).backward()
    touched = {name for name, p in classifier.named_parameters() if p.grad is not None}
    assert touched == {'auxiliary.weight', 'auxiliary.bias'} and embedding.grad is None


def test_errors_name_the_key() -> None:
    with pytest.raises(ConfigError, match=r'dict\(auxiliary=1\)'):
        AuxiliaryClassifierLoss()(samples.student(), None, cf.labels(), samples.later())
    with pytest.raises(ConfigError, match=r"AuxiliaryClassifierLoss\.resolution.*'small'"):
        AuxiliaryClassifierLoss(resolution='small')
    with pytest.raises(ConfigError, match='positive_index=254'):
        AuxiliaryClassifierLoss(254, resolution='logit')
