"""The sums of a closed-form classifier: pseudo labels, steps, processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import mmciss.register_all
from mmciss.engine.statistics import RidgeCorrelations
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import Correlations, labels_at, random_features, solve_ridge
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.classifiers.old_rows import load_old_rows
from mmciss.models.step_context import StepContext, StepState
from mmciss.models.structures import RandomExpansion
from mmciss.models.teacher import Teacher
from mmciss.utils.files import save_tensors
from tests.engine.statistics import samples
from tests.models.tiny import BASE, LATER, segmentor_config
from tests.process_group import run_in_group

NAMES = RidgeCorrelations.finds


def model(width: int = 24) -> Teacher:
    """Returns a random model in double precision, whose rows of the first three classes are not 0."""
    torch.manual_seed(0)
    segmentor = build_grown_segmentor(segmentor_config(5), LATER.sizes)
    RandomExpansion(width).install(segmentor, LATER)
    layer, teacher = segmentor.decode_head.conv_seg, Teacher(segmentor.double())
    embedding = teacher(batches()[0][0]).embedding
    features = random_features([embedding], layer.projection.flatten(1)).movedim(1, -1).flatten(0, 2)
    # Rows that tell the sites apart: what all sites have in common speaks for no class.
    rows = torch.randn(3, width, dtype=torch.float64) / features.std(0).clamp(min=1e-3)
    common = features.mean(0)
    rows -= (rows @ common)[:, None] * common / common.square().sum()
    layer.steps[0].weight.copy_(rows[..., None, None])
    return teacher


def context(folder: Path) -> StepContext:
    """Returns the context of a step whose predecessor left sums."""
    generator = torch.Generator().manual_seed(5)
    left = torch.rand(24, 24, generator=generator, dtype=torch.float64)
    left = dict(zip(NAMES, (left @ left.T, torch.rand(3, 24, generator=generator, dtype=torch.float64)), strict=True))
    save_tensors(folder / 'state.pth', {'statistics': left})
    return StepContext(LATER, StepState(folder / 'model.pth', folder / 'state.pth'))


def batches() -> list[tuple[Tensor, Tensor]]:
    return [(inputs.double(), target) for inputs, target in samples.batches()]


@pytest.mark.parametrize(('threshold', 'background'), ((None, 1.0), (0.55, 1.0), (0.9, 1.0), (0.55, 0.3)))
def test_sums_of_this_step_and_of_those_before(threshold: float | None, background: float, tmp_path: Path) -> None:
    teacher, step = model(), context(tmp_path)
    found = run_passes(dict(ridge=RidgeCorrelations(threshold, background=background)), step, teacher, batches)
    assert step.previous is not None
    auto, cross = (step.previous.statistics[name].clone() for name in NAMES)
    cross = torch.cat([cross, torch.zeros(2, 24, dtype=torch.float64)])
    layer, renamed = teacher.segmentor.decode_head.conv_seg, 0
    for inputs, target in batches():
        embedding = teacher(inputs).embedding
        for image, label in zip(embedding, labels_at(target, embedding.shape[-2:], centre=True), strict=True):
            for vector, value in zip(image.flatten(1).T, label.flatten().tolist(), strict=True):
                features = (layer.projection.flatten(1).double() @ vector).clamp(min=0)
                scores = layer.weight[:3].flatten(1) @ features
                if threshold is not None and value == 0 and scores.argmax() and scores.max().sigmoid() >= threshold:
                    value, renamed = int(scores.argmax()), renamed + 1
                if value != 255:
                    weight = 1 if value else background
                    auto += weight * torch.outer(features, features)
                    cross[value] += weight * features
    assert (renamed > 0) == (threshold is not None)
    torch.testing.assert_close(found['autocorrelation'], auto, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found['cross_correlation'], cross, rtol=1e-9, atol=1e-9)


def test_every_second_site_can_be_of_the_mirror_image(tmp_path: Path) -> None:
    teacher, step = model(), context(tmp_path)
    found = run_passes(dict(ridge=RidgeCorrelations(None, mirror=True)), step, teacher, batches)
    assert step.previous is not None
    auto, cross = (step.previous.statistics[name].clone() for name in NAMES)
    cross = torch.cat([cross, torch.zeros(2, 24, dtype=torch.float64)])
    projection = teacher.segmentor.decode_head.conv_seg.projection.flatten(1).double()
    for inputs, target in batches():
        for odd, (image, label) in enumerate(((inputs, target), (inputs.flip(3), target.flip(2)))):
            embedding = teacher(image).embedding
            label = labels_at(label, embedding.shape[-2:], centre=True)
            for index, row, column in (label != 255).nonzero().tolist():
                if (row + column) % 2 == odd:
                    features = (projection @ embedding[index, :, row, column]).clamp(min=0)
                    auto += torch.outer(features, features)
                    cross[label[index, row, column]] += features
    torch.testing.assert_close(found['autocorrelation'], auto, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found['cross_correlation'], cross, rtol=1e-9, atol=1e-9)


def test_pseudo_labels_can_begin_later(tmp_path: Path) -> None:
    plain, later = (
        run_passes(dict(ridge=item), context(tmp_path), model(), batches)
        for item in (RidgeCorrelations(None), RidgeCorrelations(0.55, first_step=2))
    )
    assert torch.equal(plain['cross_correlation'], later['cross_correlation'])


def test_a_base_step_starts_from_nothing_and_is_measured_by_its_labels() -> None:
    torch.manual_seed(0)
    segmentor = build_grown_segmentor(segmentor_config(3), BASE.sizes)
    RandomExpansion(24).install(segmentor, BASE)
    found = run_passes(dict(ridge=RidgeCorrelations()), StepContext(BASE), Teacher(segmentor), samples.batches)
    assert found['autocorrelation'].shape == (24, 24) and found['cross_correlation'].shape == (3, 24)
    assert found['cross_correlation'][0].any() and not found['cross_correlation'][1:].any()


def finished_model() -> Teacher:
    """Returns a model at a step before which it had an ordinary classifier for three classes."""
    torch.manual_seed(0)
    segmentor = build_grown_segmentor(segmentor_config(5), LATER.sizes)
    RandomExpansion(24).install(segmentor, LATER)
    layer = segmentor.decode_head.conv_seg
    rows = {'weight': 20 * torch.randn(3, 8, 1, 1), 'bias': torch.randn(3)}
    load_old_rows(layer, rows)
    return Teacher(segmentor.double())


def with_exemplars() -> list[tuple[Tensor, Tensor]]:
    """Batches in which some images label old classes and others new ones; the first label both old classes."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for kind in ((0, 1, 2), (0, 3, 4), (0, 1, 255)):
        for size in (2, 1):
            labels = torch.tensor(kind)[torch.randint(3, (size, 32, 32), generator=generator)]
            found.append((torch.randn(size, 3, 32, 32, generator=generator, dtype=torch.float64), labels))
    return found


def test_mirror_images_are_no_further_exemplars() -> None:
    item = RidgeCorrelations(mirror=True)
    run_passes(dict(ridge=item), StepContext(LATER, StepState('model.pth')), finished_model(), with_exemplars)
    assert item.num_exemplars == 6


@pytest.mark.parametrize('prior', (0.0, 1.0, 2.5))
def test_exemplars_stand_for_the_data_of_a_finished_model(prior: float) -> None:
    teacher = finished_model()
    layer = teacher.segmentor.decode_head.conv_seg
    step = StepContext(LATER, StepState('model.pth'))
    found = run_passes(dict(ridge=RidgeCorrelations(0.5, prior=prior)), step, teacher, with_exemplars)
    sums = {name: [torch.zeros(24, 24).double(), torch.zeros(5, 24).double()] for name in ('new', 'exemplars')}
    old = new = renamed = images = 0
    for inputs, target in with_exemplars():
        output = teacher(inputs)
        labels = labels_at(target, output.embedding.shape[-2:], centre=True)
        group = 'exemplars' if ((target == 1) | (target == 2)).any() else 'new'
        images += len(target) if group == 'exemplars' else 0
        chances = output.logits.softmax(1)
        for vector, value, chance in zip(
            output.embedding.movedim(1, -1).flatten(0, 2),
            labels.flatten().tolist(),
            chances.movedim(1, -1).flatten(0, 2),
            strict=True,
        ):
            if group == 'new' and value == 0 and chance.argmax() and chance.max() >= 0.5:
                value, renamed = int(chance.argmax()), renamed + 1
            old += group == 'exemplars' and value in (1, 2)
            new += group == 'new' and value in (3, 4)
            if value != 255:
                features = (layer.projection.flatten(1) @ vector).clamp(min=0)
                sums[group][0] += torch.outer(features, features)
                sums[group][1][value] += features
    assert renamed and old and new and images == 6
    auto = sums['exemplars'][0]
    auto += prior / images * auto.trace() / 24 * torch.eye(24).double()
    for name, first, second in zip(NAMES, *sums.values(), strict=True):
        torch.testing.assert_close(found[name], first + new / old * second, rtol=1e-9, atol=1e-9)


def test_exemplars_must_show_every_old_class() -> None:
    step = StepContext(LATER, StepState('model.pth'))
    with pytest.raises(ConfigError, match=f'no image shows a labelled {LATER.names[2]}; .*--exemplar-images'):
        run_passes(dict(ridge=RidgeCorrelations()), step, finished_model(), lambda: with_exemplars()[2:])


def rows_from_exemplars(rank: int, world: int) -> Tensor:
    """Returns the rows that a process finds from its share of new images and exemplars."""
    share = [batch for index, batch in enumerate(with_exemplars()) if index % world == rank]
    step = StepContext(LATER, StepState('model.pth'))
    found = run_passes(dict(ridge=RidgeCorrelations()), step, finished_model(), lambda: share)
    return solve_ridge(Correlations(*(found[name] for name in NAMES)))


def test_processes_that_see_no_exemplar_find_the_rows_of_one() -> None:
    expected = rows_from_exemplars(0, 1)
    for found in run_in_group(rows_from_exemplars, world=4):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='threshold must lie between 0 and 1.*1.5'):
        RidgeCorrelations(1.5)
    with pytest.raises(ConfigError, match='prior must not be negative.*-1'):
        RidgeCorrelations(prior=-1)
    with pytest.raises(ConfigError, match='background must be positive, found 0'):
        RidgeCorrelations(background=0)
    with pytest.raises(ConfigError, match='step 0 left no correlations'):
        missing = StepContext(LATER, StepState(tmp_path / 'model.pth'))
        run_passes(dict(ridge=RidgeCorrelations()), missing, model(), batches)
    with pytest.raises(ConfigError, match="type='RandomExpansion'"):
        run_passes(dict(ridge=RidgeCorrelations()), context(tmp_path), samples.teacher(), samples.batches)


def on_rank(rank: int, world: int, folder: str) -> torch.Tensor:
    """Returns the rows that a process finds from its share of the images."""
    share = [batch for index, batch in enumerate(batches()) if index % world == rank]  # with four, one sees none
    found = run_passes(dict(ridge=RidgeCorrelations()), context(Path(folder)), model(), lambda: share)
    return solve_ridge(Correlations(*(found[name] for name in NAMES)))


@pytest.mark.parametrize('world', (2, 4))
def test_processes_find_the_rows_of_one(world: int, tmp_path: Path) -> None:
    expected = on_rank(0, 1, str(tmp_path))
    for found in run_in_group(on_rank, str(tmp_path), world=world):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
