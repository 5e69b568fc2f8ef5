"""How often neighbouring labels differ, on images that label old classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

import mmciss.register_all
from mmciss.engine.statistics import VoteErrors
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.functional import labels_at, vote_errors
from mmciss.functional.window_vote import WINDOWS
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.step_context import StepContext, StepState
from mmciss.models.structures import RandomExpansion
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.utils.files import save_tensors
from tests.engine.statistics import samples
from tests.models.tiny import BASE, LATER, segmentor_config


def teacher_of(step: Step) -> Teacher:
    segmentor = build_grown_segmentor(segmentor_config(step.num_seen), step.sizes)
    RandomExpansion(8, upsample=2).install(segmentor, step)
    return Teacher(segmentor)


def test_images_with_old_labels_are_counted_at_the_sites_of_the_rows() -> None:
    teacher = teacher_of(LATER)
    (inputs, target), *_ = samples.batches()
    old, new = target.clone(), target.clone()
    old[target > 2] = 2
    old[0, :16] = 1
    new[(target == 1) | (target == 2)] = 4
    found = run_passes(dict(votes=VoteErrors()), StepContext(LATER), teacher, lambda: [(inputs, new), (inputs, old)])
    side = teacher(inputs).embedding.shape[-1]
    labelled = ((old == 1) | (old == 2)).flatten(1).any(1)
    expected = vote_errors(labels_at(old[labelled], (2 * side, 2 * side), centre=True), 5)
    assert labelled.any() and expected[:, 1].min() > 0
    assert torch.equal(found['vote_errors'], expected)
    none = run_passes(dict(votes=VoteErrors()), StepContext(LATER), teacher, lambda: [(inputs, new)])
    assert torch.equal(none['vote_errors'], torch.zeros(len(WINDOWS), 2, dtype=torch.float64))


def test_all_images_of_the_base_step_are_counted() -> None:
    """Unless they label a single class, of whose neighbours they say nothing."""
    teacher = teacher_of(BASE)
    batches = [(inputs, target.where(target == 255, (target - 2).clamp(min=0))) for inputs, target in samples.batches()]
    found = run_passes(dict(votes=VoteErrors()), StepContext(BASE), teacher, lambda: batches)['vote_errors']
    assert all(((target == 1) | (target == 2)).any() for _, target in batches)
    side = teacher(batches[0][0]).embedding.shape[-1]
    expected = sum(vote_errors(labels_at(target, (2 * side, 2 * side), centre=True), 3) for _, target in batches)
    assert torch.equal(found, expected)
    single = [(inputs, target.where(target != 2, 0)) for inputs, target in batches]
    found = run_passes(dict(votes=VoteErrors()), StepContext(BASE), teacher, lambda: single)['vote_errors']
    assert any((target == 1).any() for _, target in single) and not found.any()


def test_a_step_without_such_images_hands_on_what_was_found(tmp_path: Path) -> None:
    left = {'vote_errors': torch.ones(len(WINDOWS), 2, dtype=torch.float64), 'voting_classes': torch.tensor(2)}
    save_tensors(tmp_path / 'state.pth', {'statistics': left})
    context = StepContext(LATER, previous=StepState(tmp_path / 'model.pth', tmp_path / 'state.pth'))
    new = [(inputs, target.where((target == 0) | (target == 255), 4)) for inputs, target in samples.batches()]
    found = run_passes(dict(votes=VoteErrors()), context, teacher_of(LATER), lambda: new)
    assert torch.equal(found['vote_errors'], left['vote_errors']) and found['voting_classes'] == 2


def test_without_a_background_no_site_votes() -> None:
    step = dataclasses.replace(BASE, background=False, new=(*BASE.new, max(BASE.new) + 1))
    found = run_passes(dict(votes=VoteErrors()), StepContext(step), teacher_of(step), samples.batches)
    assert not found['vote_errors'].any() and not found['voting_classes']
    assert VoteErrors().applies(step), 'a method that needs the statistic is not refused'
