"""The passes of STAR: where embeddings lie, and what the teacher sees in the background."""

from __future__ import annotations

import math

import pytest
import torch

from mmciss.engine.statistics import EmbeddingDistributions, PredictedSites
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import labels_at
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.models.tiny import LATER


def test_distributions_are_those_of_all_batches() -> None:
    model = samples.teacher()
    found = run_passes(dict(d=EmbeddingDistributions()), StepContext(LATER), model, samples.batches)
    found = found['embedding_distribution']
    vectors, labels = [], []
    for inputs, target in samples.batches():
        embedding = model(inputs).embedding
        vectors.append(embedding.permute(0, 2, 3, 1).flatten(0, 2))
        labels.append(labels_at(target, embedding.shape[-2:], centre=True).flatten())
    vectors, labels = torch.cat(vectors).double(), torch.cat(labels)
    assert found['counts'].tolist() == [int((labels == c).sum()) for c in range(5)]
    for channel in (3, 4):
        chosen = vectors[labels == channel]
        units = torch.nn.functional.normalize(chosen, dim=1)
        prototype = torch.nn.functional.normalize(units.sum(0), dim=0)
        torch.testing.assert_close(found['prototype'][channel], prototype)
        torch.testing.assert_close(found['spread'][channel], (units - prototype).square().mean(0).sqrt())
        torch.testing.assert_close(found['norm_mean'][channel], chosen.norm(dim=1).mean())
        torch.testing.assert_close(found['norm_std'][channel], chosen.norm(dim=1).std())


@pytest.mark.parametrize('threshold', [0.5, 0.9])
def test_sites_that_the_teacher_sees_in_the_background(threshold: float) -> None:
    model = samples.teacher()
    sites = PredictedSites(threshold)
    found = run_passes(dict(s=sites), StepContext(LATER), model, samples.batches)['predicted_sites']
    counts = torch.zeros(3, dtype=torch.long)
    for inputs, target in samples.batches():
        output = model(inputs)
        logits = output.logits_at(target.shape[-2:]).flatten(0, 1)
        small = labels_at(logits, output.embedding.shape[-2:], centre=True).unflatten(0, (len(inputs), 3))
        best, channel = small.sigmoid()[:, 1:].max(1)
        predicted = (channel + 1) * (best > threshold)
        background = labels_at(target, predicted.shape[-2:], centre=True) == 0
        counts += predicted[background].bincount(minlength=3)
    assert found['counts'].tolist() == counts.tolist() and (counts > 0).all()
    assert found['images'] == 5 and math.isclose(found['threshold'], threshold)


def test_threshold_is_a_probability() -> None:
    with pytest.raises(ConfigError, match=r'threshold must lie between 0 and 1, found 1'):
        PredictedSites(1.0)
