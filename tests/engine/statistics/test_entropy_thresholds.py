"""PLOP's thresholds over a whole step."""

from __future__ import annotations

import pytest
import torch

from mmciss.engine.statistics import EntropyThresholds
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.functional import normalised_entropy
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.functional import closed_form as cf
from tests.functional.medians import medians
from tests.models.tiny import LATER


def pixels() -> tuple[torch.Tensor, torch.Tensor]:
    """Entropies and predictions of all background pixels, computed at once."""
    teacher = samples.teacher()
    entropies, classes = [], []
    for inputs, target in samples.batches():
        entropy, predicted = normalised_entropy(teacher(inputs).logits_at((64, 64)), LATER.num_seen)
        entropies.append(entropy[target == 0])
        classes.append(predicted[target == 0])
    return torch.cat(entropies), torch.cat(classes)


def test_equals_the_exact_median_of_all_pixels() -> None:
    found = run_passes(dict(t=EntropyThresholds(minimum=0.0)), StepContext(LATER), samples.teacher(), samples.batches)
    entropies, classes = pixels()
    assert len(classes.unique()) > 1, 'the sample must predict several classes'
    expected = medians(entropies, classes, LATER.num_old)
    torch.testing.assert_close(found['entropy_medians'], expected, rtol=0, atol=1e-5)
    for channel in classes.unique():
        share = (entropies[classes == channel] < found['entropy_medians'][channel]).float().mean()
        assert share == pytest.approx(0.5, abs=0.02)


def test_floor_and_classes_never_predicted() -> None:
    found = run_passes(dict(t=EntropyThresholds(minimum=9.0)), StepContext(LATER), samples.teacher(), samples.batches)
    assert found['entropy_thresholds'].tolist() == found['entropy_medians'].tolist() == [9.0] * 3
    labels = [(inputs, torch.full_like(target, 3)) for inputs, target in samples.batches()]
    found = run_passes(dict(t=EntropyThresholds(minimum=0.5)), StepContext(LATER), samples.teacher(), lambda: labels)
    assert found['entropy_thresholds'].tolist() == found['entropy_medians'].tolist() == [0.5] * 3


def test_golden_values_of_the_release() -> None:
    """Section 10 of the specification: four batches, all background, four old channels of six."""
    from mmciss.models.outputs import SegOutput
    from mmciss.protocols.step import Step

    step = Step(1, new=(4, 5), old=(1, 2, 3), sizes=(4, 2), names=('background', *'abcde'))
    measure = EntropyThresholds()
    measure.begin(StepContext(step), None)
    for index, size in enumerate((40, 25, 12, 3)):
        logits = cf.wave((1, 4, 16, 16), 0.53, 0.7 + index, size)
        measure.update(torch.zeros(1, 3, 16, 16), torch.zeros(1, 16, 16, dtype=torch.long), SegOutput(logits))
    expected = torch.tensor([0.009000, 0.007753, 0.007758, 0.008708])
    torch.testing.assert_close(measure.finish()['entropy_thresholds'], expected, rtol=1e-4, atol=1e-6)
