"""The pass of CoGaMiD: mixtures of new classes, and old ones adjusted to what the step shows of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import mmciss.register_all
from mmciss.engine.statistics import EmbeddingMixtures
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.engine.statistics.embedding_mixtures import Held, random_keys
from mmciss.errors import ConfigError
from mmciss.functional import fit_mixture, labels_at
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.shared import FeatureReplay
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.models.tiny import BASE, LATER, segmentor_config
from tests.process_group import run_in_group

IMAGES = 6


def context_of(components: int = 1, stored: bool = True) -> StepContext:
    """Step 1 with a teacher; mixtures of the two old classes far away, of 10 sites each."""
    sampler = dict(type='MixtureSampler', components=components)
    model = IncrementalSegmentor(
        segmentor_config(5), LATER, shared=dict(replay=dict(type='FeatureReplay', sampler=sampler))
    )
    model.set_teacher(samples.teacher())
    replay: FeatureReplay = model.shared['replay']
    if stored:
        replay.sampler.weight[1:3, 0] = 1
        replay.sampler.mean[1:3] = 50.0
        replay.sampler.variance[1:3] = 1e-4
        replay.counts[1:3] = 10
    return model.context


def one_image_each(rank: int = 0, world: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """The images of a rank, as the runner deals them."""
    for index, (inputs, target) in enumerate(samples.batches((1,) * IMAGES)):
        if index % world == rank:
            yield inputs, target


def sites_of(context: StepContext) -> dict[int, Tensor]:
    """Every site's embedding by class: the label's, or the teacher's in the background."""
    vectors: dict[int, list[Tensor]] = {number: [] for number in range(1, 5)}
    for inputs, target in one_image_each():
        output = context.teacher(inputs)
        best, channel = output.logits_at(target.shape[-2:])[:, 1:].max(1)
        labels = torch.where((target == 0) & (best > 0), channel + 1, target)
        small = labels_at(labels, output.embedding.shape[-2:], centre=True)
        for number, found in vectors.items():
            found.append(output.embedding.permute(0, 2, 3, 1)[small == number])
    return {number: torch.cat(found) for number, found in vectors.items()}


def test_new_classes_by_label_and_old_ones_joined_with_samples() -> None:
    context = context_of()
    found = run_passes(dict(m=EmbeddingMixtures()), context, context.teacher, one_image_each)['embedding_mixtures']
    sites = sites_of(context)
    for number in (3, 4):
        expected = fit_mixture(sites[number], torch.ones(len(sites[number])), 1)
        torch.testing.assert_close(found['mean'][number], expected.mean[0].float(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found['variance'][number], expected.variance[0].float(), rtol=1e-4, atol=1e-5)
    for number in (1, 2):
        real = sites[number]
        assert len(real) > 20
        mean = (real.sum(0) + 5 * 50.0) / (len(real) + 5)
        torch.testing.assert_close(found['mean'][number, 0], mean, rtol=2e-3, atol=1e-3)
    assert not found['weight'][0].any()


def test_halfway_looks_at_old_classes_alone_and_the_base_step_at_labels() -> None:
    context = context_of()
    halfway = EmbeddingMixtures(when='halfway')
    found = run_passes(dict(m=halfway), context, context.teacher, one_image_each)['embedding_mixtures']
    assert found['weight'].sum(1).tolist() == [0, 1, 1, 0, 0]
    assert halfway.applies(LATER) and not halfway.applies(BASE) and EmbeddingMixtures().applies(BASE)
    context = context_of(stored=False)
    found = run_passes(dict(m=EmbeddingMixtures()), context, context.teacher, one_image_each)['embedding_mixtures']
    assert found['weight'].sum(1).tolist() == [0, 0, 0, 1, 1], 'a class without a mixture keeps none'


def test_a_class_in_one_image_keeps_its_mixture() -> None:
    context = context_of()
    first = next(one_image_each())
    found = run_passes(dict(m=EmbeddingMixtures()), context, context.teacher, lambda: [first])['embedding_mixtures']
    assert not found['weight'][1:3].any() and found['weight'][3:].sum() > 0


def test_a_limited_number_of_sites_stands_for_all() -> None:
    context = context_of()
    found = run_passes(dict(m=EmbeddingMixtures(limit=8)), context, context.teacher, one_image_each)
    sites = sites_of(context)
    share = len(sites[1]) / (len(sites[1]) + 5)
    middle = found['embedding_mixtures']['mean'][1, 0].mean()
    expected = (1 - share) * 50 + share * sites[1].mean()
    assert float(middle) == pytest.approx(float(expected), abs=0.5), '8 sites count as all of them, 5 samples as 5'


def test_a_grid_reduces_the_embedding() -> None:
    context = context_of()
    grid = EmbeddingMixtures(grid=(2, 2))
    run_passes(dict(m=grid), context, context.teacher, one_image_each)
    assert sum(item.sites for item in grid.held.values()) <= IMAGES * 4


def test_what_is_held_does_not_depend_on_the_order() -> None:
    parts = []
    for image in range(4):
        keys = random_keys(image, 10)
        parts.append(Held(keys, keys.unsqueeze(1) * 2, 10, 1))
    together = parts[0].joined(parts[1:], 7)
    one_by_one = parts[3].joined([parts[1]], 7).joined([parts[0].joined([parts[2]], 7)], 7)
    for found in (together, one_by_one):
        assert found.sites == 40 and found.images == 4
        torch.testing.assert_close(found.keys, torch.cat([item.keys for item in parts]).sort().values[:7])
        assert torch.equal(found.vectors[:, 0], found.keys * 2)
    assert torch.equal(random_keys(2, 10), random_keys(2, 10)) and not torch.equal(
        random_keys(2, 10), random_keys(3, 10)
    )


def on_rank(rank: int, world: int) -> dict:
    """Returns what a process finds."""
    context = context_of(components=2)
    found = run_passes(
        dict(m=EmbeddingMixtures(limit=20)), context, context.teacher, lambda: one_image_each(rank, world)
    )
    return found['embedding_mixtures']


def test_two_processes_find_the_mixtures_of_one() -> None:
    context = context_of(components=2)
    alone = run_passes(dict(m=EmbeddingMixtures(limit=20)), context, context.teacher, one_image_each)
    for found in run_in_group(on_rank):
        torch.testing.assert_close(found, alone['embedding_mixtures'], rtol=1e-5, atol=1e-6)


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r'when.*before.*halfway'):
        EmbeddingMixtures(when='before')
    with pytest.raises(ConfigError, match='limit must be at least 1, found 0'):
        EmbeddingMixtures(limit=0)
