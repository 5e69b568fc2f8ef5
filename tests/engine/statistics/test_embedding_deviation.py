"""The pass of Adapter: how far old classes have moved."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mmciss.register_all
from mmciss.engine.statistics import EmbeddingDeviation
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import labels_at
from mmciss.models.outputs import SegOutput
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from tests.engine.statistics import samples
from tests.models.tiny import BASE, LATER, segmentor_config


def context_of(teacher: Teacher) -> StepContext:
    """A context whose model has this teacher."""
    model = IncrementalSegmentor(segmentor_config(5), LATER)
    model.set_teacher(teacher)
    return model.context


def moved(teacher: Teacher) -> Teacher:
    """The teacher a little later."""
    torch.manual_seed(1)
    student = copy.deepcopy(teacher.segmentor)
    with torch.no_grad():
        for module in student.modules():
            if isinstance(module, nn.Conv2d):
                module.weight += 0.05 * module.weight.std() * torch.randn_like(module.weight)
    return Teacher(student)


def sure(output: SegOutput, gap: float) -> torch.Tensor:
    """The class of every site that is far ahead of the other, site by site."""
    scores = output.logits_at((64, 64))[:, 1:].sigmoid().sort(1, descending=True)
    first, second = scores.values[:, 0], scores.values[:, 1]
    classes = torch.where(first - second > gap, scores.indices[:, 0] + 1, 0)
    return labels_at(classes, output.embedding.shape[-2:], centre=True)


def test_deviation_is_that_of_sites_on_which_both_agree() -> None:
    teacher = samples.teacher()
    student = moved(teacher)
    deviation = EmbeddingDeviation(gap=0.3)
    found = run_passes(dict(d=deviation), context_of(teacher), student, samples.batches)['embedding_deviation']
    vectors: dict[int, list[torch.Tensor]] = {1: [], 2: []}
    disagreed = 0
    for inputs, target in samples.batches():
        old, new = teacher(inputs), student(inputs)
        classes, others = sure(old, 0.3), sure(new, 0.3)
        free = labels_at(target, classes.shape[-2:], centre=True) == 0
        disagreed += int((free & (classes != others)).sum())
        for number, pairs in vectors.items():
            chosen = free & (classes == number) & (others == number)
            pairs += [torch.cat([item.embedding.permute(0, 2, 3, 1)[chosen] for item in (old, new)], 1).double()]
    assert disagreed
    for number, pairs in vectors.items():
        before, after = torch.cat(pairs).chunk(2, 1)
        assert found['counts'][number] == len(before) > 0
        directions = [F.normalize(F.normalize(item, dim=1).sum(0), dim=0) for item in (before, after)]
        torch.testing.assert_close(found['deviation'][number], directions[1] - directions[0])
        assert found['deviation'][number].abs().max() > 0.01
    assert not found['deviation'][0].any() and found['counts'][0] == 0


def test_a_model_that_stayed_has_moved_nothing() -> None:
    teacher = samples.teacher()
    found = run_passes(dict(d=EmbeddingDeviation(0.0)), context_of(teacher), teacher, samples.batches)
    assert not found['embedding_deviation']['deviation'].any() and found['embedding_deviation']['counts'].sum() > 0


def test_refusals_and_the_base_step() -> None:
    with pytest.raises(ConfigError, match=r'gap must lie in \[0, 1\), found 1'):
        EmbeddingDeviation(1.0)
    assert EmbeddingDeviation().applies(LATER) and not EmbeddingDeviation().applies(BASE)
