"""How often neighbouring labels differ, on images that label old classes."""

from __future__ import annotations

import torch

import mmciss.register_all
from mmciss.engine.statistics import VoteErrors
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.functional import labels_at, vote_errors
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.step_context import StepContext
from mmciss.models.structures import RandomExpansion
from mmciss.models.teacher import Teacher
from tests.engine.statistics import samples
from tests.models.tiny import LATER, segmentor_config


def test_images_with_old_labels_are_counted_at_the_sites_of_the_rows() -> None:
    segmentor = build_grown_segmentor(segmentor_config(5), LATER.sizes)
    RandomExpansion(8, upsample=2).install(segmentor, LATER)
    teacher = Teacher(segmentor)
    (inputs, target), *_ = samples.batches()
    old, new = target.clone(), target.clone()
    old[target > 2] = 2
    old[0, 0, 0] = 1
    new[(target == 1) | (target == 2)] = 4
    found = run_passes(dict(votes=VoteErrors()), StepContext(LATER), teacher, lambda: [(inputs, new), (inputs, old)])
    side = teacher(inputs).embedding.shape[-1]
    labelled = ((old == 1) | (old == 2)).flatten(1).any(1)
    expected = vote_errors(labels_at(old[labelled], (2 * side, 2 * side), centre=True), 5)
    assert labelled.any() and expected[:, 1].min() > 0
    assert torch.equal(found['vote_errors'], expected)
    none = run_passes(dict(votes=VoteErrors()), StepContext(LATER), teacher, lambda: [(inputs, new)])
    assert torch.equal(none['vote_errors'], torch.zeros(4, 2, dtype=torch.float64))
