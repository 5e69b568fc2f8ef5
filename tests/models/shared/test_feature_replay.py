"""The object that keeps STAR's distributions, and the losses that read it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.losses import NewClassBCELoss
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.shared import FeatureReplay
from mmciss.models.step_context import StepContext, StepState
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from tests.models.tiny import BASE, LATER, batch, segmentor_config

WIDTH = 8


def distribution(classes: int) -> dict[str, torch.Tensor]:
    """What the pass after training finds, some numbers of each kind."""
    generator = torch.Generator().manual_seed(0)
    return dict(
        counts=torch.arange(classes) * 10 + 40,
        prototype=torch.nn.functional.normalize(torch.rand(classes, WIDTH, generator=generator), dim=1),
        spread=torch.rand(classes, WIDTH, generator=generator) / 10,
        norm_mean=torch.rand(classes, generator=generator) + 1,
        norm_std=torch.rand(classes, generator=generator) / 10,
    )


def sites(threshold: float = 0.5, counts: tuple[int, ...] = (20, 3, 70)) -> dict[str, torch.Tensor]:
    """What the pass before training finds."""
    return dict(
        counts=torch.tensor(counts),
        images=torch.tensor(8),
        labelled=torch.tensor(6),
        threshold=torch.tensor(threshold).double(),
    )


def model_of(step: Step, **options: Any) -> IncrementalSegmentor:
    """Returns a tiny model with STAR's slots, whose previous step left :func:`distribution`."""
    torch.manual_seed(step.index)
    loss = dict(type='NewClassBCELoss' if step.is_base else 'ReplayBCELoss', pos_weight=4.0)
    losses = dict(pkd=dict(type='MaskedFeatureDistillationLoss'), cont=dict(type='PrototypeDiscriminationLoss'))
    context = StepContext(step, statistics=options.pop('statistics', {}))
    model = IncrementalSegmentor(
        segmentor_config(step.num_seen, loss),
        shared=dict(replay=dict(type='FeatureReplay', **options)),
        losses={} if step.is_base else losses,
        context=context,
    )
    if not step.is_base:
        previous = StepState(Path('model.pth'))
        left = {f'replay.{name}': value for name, value in distribution(3).items()}
        previous.__dict__['content'] = {'shared': left}
        context.previous = previous
        model.set_teacher(Teacher(IncrementalSegmentor(segmentor_config(3), BASE).segmentor))
    return model.train()


def begun(**options: Any) -> IncrementalSegmentor:
    model = model_of(LATER, statistics=dict(predicted_sites=options.pop('sites', sites())), **options)
    model.shared['replay'].begin(model.context)
    return model


def test_adopts_what_was_left_and_adds_its_own_classes() -> None:
    model = begun()
    replay, left = model.shared['replay'], distribution(3)
    for name, value in left.items():
        assert torch.equal(getattr(replay, name)[:3], value.to(getattr(replay, name))), name
        assert not getattr(replay, name)[3:].any()
    # 8 images, 2 in a batch: four iterations
    assert replay.amounts(2).features.tolist() == [0, int((50 - 3) / 4), 0]
    assert replay.amounts(2).background == pytest.approx(40 * 0.98 / 20 - 0.5)
    assert replay.amounts(16).features.tolist() == [0, 47, 0], 'at least one iteration'
    assert torch.equal(replay.known_prototypes(), replay.prototype[1:3])
    new = distribution(5)
    model.context.statistics['embedding_distribution'] = new
    replay.end(model.context)
    assert replay.counts.tolist() == pytest.approx([0.5 * 20 + 40 * 0.98, 50, 60, 70, 80])
    assert torch.equal(replay.prototype[:3], left['prototype']) and torch.equal(
        replay.prototype[3:], new['prototype'][3:]
    )


def test_disjoint_counts_add_up() -> None:
    model = begun(rule='disjoint')
    replay = model.shared['replay']
    assert replay.amounts(2).features.tolist() == [0, 12, 15]
    model.context.statistics['embedding_distribution'] = distribution(5)
    replay.end(model.context)
    assert replay.counts.tolist() == [60, 53, 130, 70, 80]


def test_the_second_rule_is_for_disjoint_steps() -> None:
    for setting, rule in (('overlapped', 'adaptive'), ('disjoint', 'constant'), ('partitioned', 'constant')):
        model = model_of(LATER, rule=('adaptive', 'constant'))
        model.context.data = SimpleNamespace(protocol=SimpleNamespace(setting=setting))
        model.shared['replay'].prepare(model.context)
        assert model.shared['replay'].used_rule == rule
    replay = begun(rule='adaptive', minimum=1).shared['replay']
    assert replay.amounts(2).features.tolist() == [0, int((50 - 3) / 4), 1], 'one of a class that is seen more often'
    assert replay.amounts(2).background == pytest.approx((40 * 0.98 - 6) / 20)


def test_old_classes_follow_their_deviation() -> None:
    model = begun()
    replay, left = model.shared['replay'], distribution(3)
    move = torch.zeros(3, WIDTH)
    move[1, 0] = 0.5
    model.context.statistics.update(
        embedding_distribution=distribution(5),
        embedding_deviation=dict(deviation=move, counts=torch.tensor([0, 10, 0])),
    )
    replay.end(model.context)
    share = 10 / 50
    torch.testing.assert_close(replay.prototype[1], left['prototype'][1] + share * move[1])
    torch.testing.assert_close(replay.spread[1], left['spread'][1] + share * move[1])
    assert torch.equal(replay.prototype[2], left['prototype'][2]), 'seen nowhere'
    assert torch.equal(replay.prototype[3:], distribution(5)['prototype'][3:])


def test_the_base_step_counts_its_background() -> None:
    model = model_of(BASE, statistics=dict(embedding_distribution=distribution(3)))
    replay = model.shared['replay']
    replay.begin(model.context)
    replay.end(model.context)
    assert replay.counts.tolist() == [40, 50, 60] and replay.prototype[1:].any(1).all()
    assert set(replay.state()) >= {'counts', 'prototype', 'spread', 'norm_mean', 'norm_std'}


@pytest.mark.parametrize('counts', [(20, 3, 70), (0, 500, 500)])
def test_old_rows_get_no_gradient_and_losses_are_finite(counts: tuple[int, ...]) -> None:
    model = begun(sites=sites(counts=counts))
    losses = model.loss(*batch())
    assert {'loss_pkd', 'loss_cont'} <= set(losses)
    total = sum(value for name, value in losses.items() if 'loss' in name)
    total.backward()
    assert total.isfinite()
    rows = model.segmentor.decode_head.conv_seg.steps
    assert not rows[0].weight.grad.any() and rows[1].weight.grad.any()


def test_without_anything_to_replay_it_is_the_plain_loss() -> None:
    model = begun(sites=sites(counts=(10**9, 500, 500)))
    plain = NewClassBCELoss(4.0)
    plain.prepare(model.context)
    found = model.loss(*batch())['decode.loss_mbce']
    model.segmentor.decode_head.loss_decode = plain
    torch.testing.assert_close(found, model.loss(*batch())['decode.loss_mbce'])


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r'threshold is 0\.7, but the pass .* has 0\.5'):
        begun(threshold=0.7)
    with pytest.raises(ConfigError, match=r'method\.shared\.\*\.rule.*sequential'):
        FeatureReplay(rule='sequential')
    with pytest.raises(ConfigError, match=r'rule must be one rule or two'):
        FeatureReplay(rule=('overlapped',))
    with pytest.raises(ConfigError, match='threshold must lie between 0 and 1'):
        FeatureReplay(threshold=0)
    domain = Step(1, new=(), old=(1, 2), sizes=(3, 0), names=LATER.names[:3])
    with pytest.raises(ConfigError, match='a step has none'):
        FeatureReplay().check_step(domain)
    plain = Step(0, new=(1, 2), old=(), sizes=(2,), names=('a', 'b'), background=False)
    with pytest.raises(ConfigError, match='with a background'):
        FeatureReplay().check_step(plain)
    with pytest.raises(ConfigError, match=r'needs method\.shared\.replay'):
        IncrementalSegmentor(segmentor_config(5), LATER, losses=dict(cont=dict(type='PrototypeDiscriminationLoss')))
