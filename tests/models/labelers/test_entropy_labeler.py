"""PLOP's pseudo labels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.labelers import EntropyLabeler
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS
from tests.functional import closed_form as cf
from tests.models.labelers import samples
from tests.models.losses.samples import later_step


@pytest.mark.parametrize(
    ('threshold', 'factors', 'loss'),
    [
        (0.05, (0.325000, 0.340909), 0.610188),
        (0.06, (0.400000, 0.431818), 0.832716),
        (0.07, (0.625000, 0.590909), 1.441416),
    ],
)
def test_golden_values(threshold: float, factors: tuple, loss: float) -> None:
    labeler = LABELERS.build(dict(type='EntropyLabeler'))
    target = cf.labels()
    kept = target.clone()
    statistics = dict(entropy_thresholds=torch.full((4,), threshold))
    labels = samples.label(labeler, target, samples.output(), later_step(), **statistics)
    assert torch.equal(target, kept)
    torch.testing.assert_close(labels.weights, torch.tensor(factors).view(2, 1, 1), rtol=1e-5, atol=1e-6)
    each = F.cross_entropy(cf.logits(), labels.target, ignore_index=255, reduction='none')
    assert cf.near((each * labels.weights).mean(), loss)


def test_without_weights_and_with_a_floor() -> None:
    statistics = dict(entropy_thresholds=torch.zeros(4))
    assert (
        samples.label(EntropyLabeler(adaptive=False), cf.labels(), samples.output(), later_step(), **statistics).weights
        is None
    )
    labels = samples.label(
        EntropyLabeler(minimum_factor=0.25), cf.labels(), samples.output(), later_step(), **statistics
    )
    assert labels.weights.flatten().tolist() == [0.25, 0.25]


def test_domain_steps_keep_their_labels() -> None:
    step = Step(1, new=(), old=(1, 2, 3), sizes=(4, 0), names=('background', 'a', 'b', 'c'))
    labels = samples.label(EntropyLabeler(), cf.labels(), samples.output(), step)
    assert torch.equal(labels.target, cf.labels()) and labels.weights is None


def test_a_missing_statistic_is_named() -> None:
    with pytest.raises(ConfigError, match=r"EntropyLabeler needs 'entropy_thresholds', found \['prototypes'\]"):
        samples.label(EntropyLabeler(), cf.labels(), samples.output(), later_step(), prototypes=torch.zeros(1))


def test_each_choice_reads_its_thresholds_and_weighs_images_without_background() -> None:
    statistics = dict(entropy_thresholds=torch.full((4,), 9.0), entropy_medians=torch.zeros(4))
    target = cf.labels().masked_fill(cf.labels() < 4, 4)
    target[1, :2] = 0
    weights = [
        samples.label(EntropyLabeler(thresholds=name), target, samples.output(), later_step(), **statistics).weights
        for name in ('binned', 'median')
    ]
    assert weights[0].flatten().tolist() == pytest.approx([0, 1], abs=1e-6)
    assert weights[1].flatten().tolist() == [1, 0]
    with pytest.raises(ConfigError, match=r"method\.labeler\.thresholds.*'mean'"):
        EntropyLabeler(thresholds='mean')
