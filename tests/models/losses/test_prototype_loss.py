"""Tests of the latent-space losses of SDR and their prototypes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.functional import class_sums, feature_attraction, feature_repulsion, feature_sparsity, prototype_matching
from mmciss.models.losses import PrototypeLoss
from mmciss.models.step_context import StepContext, StepState
from mmciss.protocols.step import Step
from tests.functional import closed_form as cf
from tests.functional.feature_lists import latent, pixels_of
from tests.models.losses import samples
from tests.process_group import run_in_group

LAYER = 'backbone.layer4'
NO_TERM = dict(matching_weight=0, attraction_weight=0, repulsion_weight=0, sparsity_weight=0)


def build(**options: object) -> PrototypeLoss:
    loss = MODELS.build(dict(type='PrototypeLoss', layer=LAYER, channels=6) | options)
    loss.prepare(samples.later())
    return loss


def after(left: dict[str, torch.Tensor], step: Step) -> StepContext:
    """Returns the context of a step before which a loss without a key left something."""
    previous = StepState(Path('model.pth'))
    previous.__dict__['content'] = {'': left}
    return StepContext(step, previous)


def run(loss: PrototypeLoss, features: torch.Tensor | None = None) -> torch.Tensor:
    features = latent()[0] if features is None else features
    return loss(samples.student(features={LAYER: features}), samples.teacher(), latent()[1], samples.later())


@pytest.mark.parametrize('compat', [True, False])
def test_is_the_weighted_sum_of_its_terms_on_the_updated_prototypes(compat: bool) -> None:
    features, labels, prototypes = latent()
    loss = build(
        matching_weight=1.0,
        attraction_weight=2.0,
        repulsion_weight=3.0,
        sparsity_weight=4.0,
        form='release' if compat else 'paper',
        loss_weight=0.5,
    )
    loss.prototypes.copy_(prototypes)
    loss.counts.fill_(1)
    found = run(loss)
    given = features, labels, loss.prototypes
    expected = (
        prototype_matching(*given, cf.teacher_logits(), compat=compat)
        + 2 * feature_attraction(*given, compat, compat)
        + 3 * feature_repulsion(*given, compat)
        + 4 * feature_sparsity(*given, compat)
    )
    torch.testing.assert_close(found, 0.5 * expected)
    assert not torch.equal(loss.prototypes, prototypes)


def test_prototypes_are_running_means_without_the_background() -> None:
    features, labels, _ = latent()
    loss = build(**NO_TERM)
    assert 'teacher' not in loss.needs and 'teacher' in build().needs
    for _ in range(3):
        assert run(loss) == 0
    assert loss.counts.tolist() == [0, 0, 0, 0, 24, 12]
    for c in (4, 5):
        torch.testing.assert_close(loss.prototypes[c], pixels_of(features, labels, c).mean(0))
    assert not loss.prototypes[0].any()
    loss.eval()
    run(loss)
    assert loss.counts.sum() == 36


def test_background_and_what_the_release_leaves_out() -> None:
    features, labels, _ = latent()
    loss = build(background=True, **NO_TERM)
    run(loss)
    assert loss.counts.tolist() == [20, 0, 0, 0, 8, 4]
    released = build(form='release', **NO_TERM)
    released.update(features, labels.masked_fill(labels == 0, 255)[:, ::2, ::2])
    assert released.counts.tolist() == [0, 0, 0, 0, 0, 4]
    released.update(features, torch.full((2, 4, 4), 255))
    assert released.counts.sum() == 4
    torch.testing.assert_close(
        released.prototypes[5], class_sums(features, labels.masked_fill(labels == 0, 255), 6, compat=True).means[5]
    )


def test_without_a_background_the_first_channel_is_a_class_like_the_others() -> None:
    features, labels, _ = latent()
    loss = MODELS.build(dict(type='PrototypeLoss', layer=LAYER, channels=6) | NO_TERM | dict(attraction_weight=1.0))
    loss.prepare(samples.domain())
    found = loss(samples.student(features={LAYER: features}), samples.teacher(), labels, samples.domain())
    assert loss.counts.tolist() == [20, 0, 0, 0, 8, 4]
    torch.testing.assert_close(found, feature_attraction(features, labels, loss.prototypes, True))


def test_old_classes_of_the_labels() -> None:
    loss = build(**NO_TERM | dict(matching_weight=1.0), labels_hide_old=False)
    loss.prototypes.copy_(latent()[2])
    loss.counts.fill_(1)
    assert 'teacher' not in loss.needs
    labels = latent()[1].masked_fill(latent()[1] == 4, 2)
    found = loss(samples.student(features={LAYER: latent()[0]}), None, labels, samples.later())
    expected = prototype_matching(latent()[0], labels, loss.prototypes, num_old=4)
    torch.testing.assert_close(found, expected)


def test_classes_without_prototype_take_no_part_in_the_matching() -> None:
    loss = build(**NO_TERM | dict(matching_weight=1.0))
    loss.begin(after({}, samples.later_step()))
    assert run(loss) == 0, 'the previous step left none'
    one = build(**NO_TERM | dict(matching_weight=1.0))
    one.prototypes.copy_(latent()[2])
    one.counts[2] = 1
    known = torch.tensor([False, False, True, False, True, True])
    expected = prototype_matching(latent()[0], latent()[1], latent()[2], cf.teacher_logits(), known=known)
    torch.testing.assert_close(run(one), expected)
    assert expected > 0


def test_of_several_maps_the_last_is_shaped() -> None:
    loss, several = build(), PrototypeLoss()
    several.channels = 6
    several.prepare(samples.later())
    maps = [torch.zeros(2, 3, 8, 8), latent()[0]]
    found = several(samples.student(features={'backbone': maps}), samples.teacher(), latent()[1], samples.later())
    torch.testing.assert_close(found, run(loss))


def test_gradient_reaches_features_only() -> None:
    features = latent()[0].requires_grad_(True)
    loss = build()
    run(loss, features).backward()
    assert features.grad.any() and not loss.prototypes.requires_grad and not list(loss.parameters())


def test_state_survives_a_checkpoint_and_the_next_step() -> None:
    first = build()
    run(first)
    state = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    assert set(state) == {'prototypes', 'counts'}
    for copy in (build(), PrototypeLoss(LAYER, 6)):
        copy.load_state_dict(state)
        assert torch.equal(copy.prototypes, first.prototypes) and torch.equal(copy.counts, first.counts)
    later = PrototypeLoss(LAYER, 6)
    step = Step(
        index=2, new=(6,), old=(1, 2, 3, 4, 5), sizes=(4, 2, 1), names=('background', *'abcdef'), background=True
    )
    later.prepare(StepContext(step))
    later.begin(after(state, step))
    assert later.prototypes.shape == (7, 6) and not later.prototypes[6].any()
    assert torch.equal(later.prototypes[:6], first.prototypes)
    assert torch.equal(later.counts[:6], first.counts)


def test_wrong_number_of_channels_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r'PrototypeLoss\.channels is 5.*gives 6'):
        run(build(channels=5))
    with pytest.raises(ConfigError, match=r'PrototypeLoss\.channels is 5.*have 6'):
        build(channels=5).begin(after(build().state_dict(), samples.later_step()))


def on_rank(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Returns the state of one of two processes, each with one of the two images."""
    features, labels, _ = latent()
    loss = PrototypeLoss(LAYER, 6)
    loss.prepare(samples.later())
    loss.update(features[rank : rank + 1], labels[rank : rank + 1, ::2, ::2])
    return loss.state_dict()


def test_two_processes_equal_one() -> None:
    alone = build()
    alone.update(latent()[0], latent()[1][:, ::2, ::2])
    for state in run_in_group(on_rank, start_method='fork'):
        torch.testing.assert_close(state['prototypes'], alone.prototypes)
        assert torch.equal(state['counts'], alone.counts)
