"""Thresholds of corrected probabilities."""

from __future__ import annotations

import torch

from mmciss.engine.statistics import ClassPrototypes, EntropyThresholds, RectifiedEntropyThresholds
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.functional import normalised_entropy, rectified_log_probabilities
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.functional.medians import medians
from tests.models.tiny import LATER


def run(temperature: float) -> dict:
    passes = dict(
        rectified=RectifiedEntropyThresholds('backbone', temperature, minimum=0.0),
        prototypes=ClassPrototypes('backbone'),
        thresholds=EntropyThresholds(minimum=0.0),
    )
    return run_passes(passes, StepContext(LATER), samples.teacher(), samples.batches)


def test_medians_of_the_quantity_that_is_compared_with_them() -> None:
    found, teacher = run(0.5), samples.teacher()
    entropies, classes = [], []
    for inputs, target in samples.batches():
        output = teacher(inputs, ['backbone'])
        scores = rectified_log_probabilities(
            output.logits_at((64, 64)), output.maps(['backbone'])[-1], found['prototypes'], 0.5
        )
        entropy, predicted = normalised_entropy(scores, LATER.num_seen)
        entropies.append(entropy[target == 0])
        classes.append(predicted[target == 0])
    expected = medians(torch.cat(entropies), torch.cat(classes), 3)
    torch.testing.assert_close(found['rectified_entropy_medians'], expected, rtol=0, atol=1e-5)
    assert found['rectified_temperature'] == 0.5


def test_without_distances_they_are_the_plain_thresholds() -> None:
    found = run(0.0)
    for name in ('entropy_thresholds', 'entropy_medians'):
        torch.testing.assert_close(found[f'rectified_{name}'], found[name], rtol=0, atol=1e-5)
