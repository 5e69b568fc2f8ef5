"""GSC's pseudo labels."""

from __future__ import annotations

import pytest
import torch

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.functional import entropy_pseudo_labels, rectified_log_probabilities
from mmciss.models.labelers import EntropyLabeler
from mmciss.registry import LABELERS
from tests.functional import closed_form as cf
from tests.models.labelers import samples
from tests.models.losses.samples import later_step

PROTOTYPES = cf.wave((4, 5), 0.7, 0.1)


def build(**options: object) -> EntropyLabeler:
    return LABELERS.build(dict(type='PrototypeEntropyLabeler', layer='backbone', **options))


def test_equals_its_parts() -> None:
    thresholds = torch.full((4,), 0.04)
    statistics = dict(
        prototypes=PROTOTYPES,
        rectified_entropy_thresholds=thresholds,
        entropy_thresholds=torch.zeros(4),
        rectified_temperature=torch.tensor(0.7),
    )
    found = samples.label(build(temperature=0.7), cf.labels(), samples.output(), later_step(), **statistics)
    scores = rectified_log_probabilities(cf.teacher_logits(), samples.output().maps(['backbone'])[-1], PROTOTYPES, 0.7)
    labels, factor = entropy_pseudo_labels(cf.labels(), scores, thresholds, 4, 6)
    assert torch.equal(found.target, labels)
    torch.testing.assert_close(found.weights, factor.view(2, 1, 1))
    assert 0 < (labels == 255).sum() - 4 < (cf.labels() < 4).sum(), 'the sample must accept and reject'


def test_accepting_everything_is_the_plain_relabelling() -> None:
    statistics = dict(prototypes=PROTOTYPES, rectified_entropy_thresholds=torch.full((4,), 9.0))
    found = samples.label(build(), cf.labels(), samples.output(), later_step(), **statistics)
    scores = rectified_log_probabilities(cf.teacher_logits(), samples.output().maps(['backbone'])[-1], PROTOTYPES)
    assert torch.equal(found.target, torch.where(cf.labels() < 4, scores.argmax(1), cf.labels()))


def test_the_switch_makes_it_plops_labeler() -> None:
    labeler = build(relabel=False)
    assert 'features' not in labeler.needs and labeler.layers == ()
    statistics = dict(entropy_thresholds=torch.full((4,), 0.06))
    found = samples.label(labeler, cf.labels(), samples.output(), later_step(), **statistics)
    expected = samples.label(EntropyLabeler(), cf.labels(), samples.output(), later_step(), **statistics)
    assert torch.equal(found.target, expected.target) and torch.equal(found.weights, expected.weights)


def test_thresholds_of_another_temperature_are_refused() -> None:
    statistics = dict(
        prototypes=PROTOTYPES, rectified_entropy_thresholds=torch.ones(4), rectified_temperature=torch.tensor(2.0)
    )
    with pytest.raises(ConfigError, match='method.labeler.temperature: 1.0, but the thresholds belong to 2.0'):
        samples.label(build(), cf.labels(), samples.output(), later_step(), **statistics)
