"""Rows of new classes fitted to a step's sites: the sites that count, the start, the initializer."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

import mmciss.register_all
from mmciss.engine.statistics import FittedRows
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import fit_new_rows, labels_at
from mmciss.models.classifiers.growable import GrowableConv2d
from mmciss.models.initializers import FittedInitializer
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.models.tiny import LATER


def test_rows_are_those_of_all_labelled_sites() -> None:
    teacher, context = samples.teacher(), StepContext(LATER)
    found = run_passes(dict(rows=FittedRows(penalty=1.0)), context, teacher, samples.batches)['fitted_rows']
    vectors, labels, scores = [], [], []
    for inputs, target in samples.batches():
        output = teacher(inputs)
        label = labels_at(target, output.embedding.shape[-2:], centre=True).flatten()
        for values, into in ((output.embedding, vectors), (output.logits[:, : LATER.num_old], scores)):
            into.append(values.movedim(1, -1).flatten(0, 2)[label != 255])
        labels.append(label[label != 255] - LATER.num_old)
    row = torch.cat([part.flatten() for part in (output.classifier.weight[0], output.classifier.bias[:1])])
    row[-1] -= math.log(LATER.num_new + 1)
    label = torch.cat(labels).clamp(min=-1)
    assert (label >= 0).any() and (label < 0).any()
    start = row.repeat(LATER.num_new, 1)
    score = torch.cat(scores)
    old = score.logsumexp(1), score[:, 0]
    expected = fit_new_rows(torch.cat(vectors), label, *old, start, 10.0 / LATER.num_old, penalty=1.0)
    torch.testing.assert_close(found, expected.float(), rtol=1e-2, atol=1e-2)


def test_no_more_sites_are_kept_than_allowed() -> None:
    item = FittedRows(most_sites=5)
    run_passes(dict(rows=item), StepContext(LATER), samples.teacher(), samples.batches)
    assert sum(map(len, item.sites)) <= 10 and len(item._chosen(item.sites)) == 5
    with pytest.raises(ConfigError, match='most_sites of FittedRows must be positive, found 0'):
        FittedRows(most_sites=0)
    with pytest.raises(ConfigError, match='distillation of FittedRows must not be negative, found -1'):
        FittedRows(distillation=-1)


def test_the_initializer_sets_new_rows_and_leaves_old_ones() -> None:
    classifier = GrowableConv2d(4, LATER.sizes)
    before = classifier.weight.detach().clone(), classifier.bias.detach().clone()
    rows = torch.arange(5.0 * LATER.num_new).view(LATER.num_new, 5)
    context = SimpleNamespace(step=LATER, statistic=lambda *_: rows)
    FittedInitializer()(classifier, context, 'decode_head.conv_seg')
    assert torch.equal(classifier.weight[LATER.num_old :].flatten(1), rows[:, :-1])
    assert torch.equal(classifier.bias[LATER.num_old :], rows[:, -1])
    assert torch.equal(classifier.weight[: LATER.num_old], before[0][: LATER.num_old])
    assert torch.equal(classifier.bias[: LATER.num_old], before[1][: LATER.num_old])
