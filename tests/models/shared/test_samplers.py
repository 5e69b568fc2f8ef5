"""How embeddings of old classes are drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.functional import EmbeddingDistribution, GaussianMixture, replay_features
from mmciss.models.shared import EmbeddingSampler, FeatureReplay, MixtureSampler, PrototypeSampler, SphereSampler
from mmciss.models.step_context import StepContext
from tests.models.tiny import LATER

WIDTH = 8
AMOUNTS = torch.tensor([0, 3, 2])


def known() -> EmbeddingDistribution:
    """Of a background, which nothing is known of, and two classes."""
    generator = torch.Generator().manual_seed(0)
    prototype = F.normalize(torch.rand(3, WIDTH, generator=generator), dim=1)
    prototype[0] = 0
    spread = torch.rand(3, WIDTH, generator=generator) / 10
    spread[0] = 0
    return EmbeddingDistribution(prototype, spread, torch.ones(3), torch.full((3,), 0.1))


def mixture_sampler(**options: Any) -> MixtureSampler:
    """A sampler of step 1 in which the second class alone has a mixture."""
    sampler = MixtureSampler(**options)
    sampler.prepare(LATER, WIDTH)
    sampler.weight[2] = torch.tensor([0.5, 0.5, 0.0])
    sampler.mean[2] = torch.tensor([[3.0], [5.0], [0.0]])
    sampler.variance[2] = 0.01
    return sampler


def statistic(sampler: MixtureSampler, *classes: int) -> StepContext:
    """A context in which the pass found mixtures of ones for some classes."""
    found = GaussianMixture(*(torch.zeros_like(item) for item in sampler.mixtures))
    for item in found:
        item[list(classes)] = 1.0
    return StepContext(LATER, statistics=dict(embedding_mixtures=found._asdict()))


def test_star_s_is_the_default_and_draws_what_it_drew() -> None:
    sampler = FeatureReplay().sampler
    assert isinstance(sampler, PrototypeSampler) and not list(sampler.buffers())
    sites = torch.rand(4, WIDTH)
    torch.manual_seed(3)
    found = sampler.draw(known(), AMOUNTS, sites)
    torch.manual_seed(3)
    assert torch.equal(found, replay_features(known(), AMOUNTS))
    with pytest.raises(ConfigError, match=r'sampler\.norm_noise.*none'):
        PrototypeSampler('none')
    with pytest.raises(NotImplementedError, match=r'has no draw\(\)'):
        EmbeddingSampler().draw(known(), AMOUNTS, torch.rand(4, WIDTH))


def test_sphere_has_the_norm_of_the_batch_and_one_distance() -> None:
    torch.manual_seed(0)
    sites = torch.rand(10, WIDTH) * 7
    amount = 50_000
    found = SphereSampler().draw(known(), torch.tensor([0, amount, amount]), sites)
    torch.testing.assert_close(found.norm(dim=1), sites.norm(dim=1).mean().expand(len(found)))
    distance = known().spread.norm(dim=1)[1:].mean()
    units = F.normalize(found, dim=1)
    for number, part in ((1, units[:amount]), (2, units[amount:])):
        found_distance = (part - known().prototype[number]).square().sum(1).mean().sqrt()
        torch.testing.assert_close(found_distance, distance, rtol=0.01, atol=0)
    assert SphereSampler().draw(known(), torch.zeros(3, dtype=torch.long), sites).shape == (0, WIDTH)


def test_classes_without_a_mixture_are_drawn_as_star_draws_them() -> None:
    sampler = mixture_sampler()
    found = sampler.draw(known(), torch.tensor([0, 30, 40]), torch.rand(4, WIDTH))
    assert found.shape == (70, WIDTH)
    mixed, others = found[:40], found[40:]
    near = (mixed[:, :1] > 4).float() * 2 + 3
    assert (mixed - near).abs().max() < 0.6 and 8 < int((near == 5).sum()) < 32, 'half of each Gaussian'
    assert others.abs().max() < 2, 'directions around the prototype'
    prototypes = sampler.prototypes(known())
    torch.testing.assert_close(prototypes[2], torch.full((WIDTH,), WIDTH**-0.5))
    assert torch.equal(prototypes[1], known().prototype[1])


def test_mixtures_are_adopted_and_handed_on() -> None:
    sampler = mixture_sampler()
    before = sampler.mixtures.mean.clone()
    sampler.adopt(statistic(sampler, 1, 4))
    assert sampler.mixtures.known.tolist() == [False, True, True, False, True]
    assert (sampler.mean[[1, 4]] == 1).all() and torch.equal(sampler.mean[2], before[2]), 'no other class changes'
    left = {f'sampler.{name}': value[:3] for name, value in sampler.state_dict().items()}
    after = MixtureSampler()
    after.prepare(LATER, WIDTH)
    after.begin(left)
    for name in GaussianMixture._fields:
        assert torch.equal(getattr(after, name)[:3], left[f'sampler.{name}']) and not getattr(after, name)[3:].any()
    other = MixtureSampler(components=2)
    other.prepare(LATER, WIDTH)
    with pytest.raises(ConfigError, match=r'sampler\.components is 2, but the previous step left mixtures of 3'):
        other.begin(left)
    other.begin({})
    assert not other.mixtures.known.any(), 'STAR left none'


@pytest.mark.parametrize(('sites', 'gaussians'), [(1, 1), (29, 1), (30, 3)])
def test_few_sites_are_one_gaussian(sites: int, gaussians: int) -> None:
    values: Tensor = torch.randn(sites, WIDTH, generator=torch.Generator().manual_seed(0))
    found = MixtureSampler().fit(values, torch.ones(sites), 0)
    assert found.mean.shape == (1, 3, WIDTH) and int((found.weight > 0).sum()) == gaussians
    torch.testing.assert_close(found.centre[0], values.double().mean(0))


def test_refusals() -> None:
    for name in ('components', 'iterations'):
        with pytest.raises(ConfigError, match=rf'sampler\.{name} must be at least 1, found 0'):
            MODELS.build(dict(type='MixtureSampler', **{name: 0}))
