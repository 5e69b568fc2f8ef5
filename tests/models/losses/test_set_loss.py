"""A head of queries learns with its own loss."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.classifiers.query_heads import pixel_scores
from mmciss.models.losses import SetLoss
from mmciss.models.outputs import Readout
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.teacher import Teacher
from tests.models.set_loss import Factors, match, segments, set_loss
from tests.models.tiny import BASE, LATER, batch, segmentor_config
from tests.models.tiny_queries import query_segmentor


def model(step: Any = LATER, weight: float = 1.0, **slots: Any) -> IncrementalSegmentor:
    """A tiny model of a step whose head has its own loss."""
    torch.manual_seed(0)
    config = query_segmentor(step.num_seen, loss_decode=dict(type='SetLoss', loss_weight=weight))
    return IncrementalSegmentor(config, step, **slots).train()


def test_matching_by_hand() -> None:
    label = torch.tensor([[0, 0, 1, 1], [255, 0, 1, 1]])
    kinds, shapes = segments(label)
    assert kinds.tolist() == [0, 1] and shapes[:, 1].tolist() == [[0, 1, 0, 0], [0, 0, 1, 1]]
    right = torch.tensor([[-5.0, -5, 5, 5]] * 2)
    classes, masks = torch.zeros(3, 3), torch.stack([right, -right, -right])
    classes[1, 0], classes[2, 0] = 1.0, 4.0
    queries, places = match(classes, masks, label, Factors())
    assert queries.tolist() == [0, 2] and places.tolist() == [1, 0], 'the surer of two equal masks'
    losses = set_loss([classes[None]], [masks[None]], label[None])
    wanted, weights = torch.tensor([1, 2, 0]), torch.tensor([1, 0.1, 1])
    loss = (weights * nn.functional.cross_entropy(classes, wanted, reduction='none')).sum() / 2.1
    torch.testing.assert_close(losses['loss_cls'], loss)
    # The ignored pixel belongs to no segment, so half a mask would be one pixel wrong in eight.
    p = torch.tensor(5.0).sigmoid()
    dice = 1 - (2 * 4 * p + 1) / (4 * p + 4 * (1 - p) + 4 + 1), 1 - (2 * 3 * p + 1) / (4 * p + 4 * (1 - p) + 3 + 1)
    torch.testing.assert_close(losses['loss_dice'], sum(dice) / 2)


@pytest.mark.parametrize('weight', [1.0, 0.5])
def test_the_losses_are_those_of_the_plain_head(weight: float) -> None:
    grown = model(weight=weight)
    plain = MODELS.build(query_segmentor(5)).train()
    plain.load_state_dict(grown.plain_weights())
    inputs, samples = batch()
    found, expected = grown.loss(inputs, copy.deepcopy(samples)), plain.loss(inputs, copy.deepcopy(samples))
    assert set(found) == set(expected) and 'decode.d0.loss_cls' in found
    for name, value in expected.items():
        torch.testing.assert_close(found[name], weight * value, rtol=0, atol=0)
    sum(found.values()).backward()
    head = grown.segmentor.decode_head
    touched = [group.weight for group in head.cls_embed.groups] + [head.pixels.weight, head.query_feat.weight]
    assert len(touched) == 5 and all(parameter.grad.abs().sum() > 0 for parameter in touched)


def test_losses_of_pixels_are_there_too() -> None:
    """Extra losses get scores of pixels and queries of the last layer, whatever the main loss is."""
    grown = model()
    inputs, samples = batch()
    with Readout(grown.segmentor, losses_too=True) as readout:
        grown.loss(inputs, samples)
    head = grown.segmentor.decode_head
    output = readout.output()
    classes, masks = head.query_logits(grown.segmentor.extract_feat(inputs), samples)
    for found, expected in ((output.queries.classes, classes[-1]), (output.queries.masks, masks[-1])):
        assert found.shape == expected.shape and found.requires_grad
    torch.testing.assert_close(output.logits, pixel_scores(output.queries.classes, output.queries.masks))
    old = Teacher(model(BASE).segmentor)(inputs)
    torch.testing.assert_close(old.logits, pixel_scores(old.queries.classes, old.queries.masks))
    assert old.queries.classes.shape == (2, 6, 4)


def test_the_head_s_own_loss_does_not_change_losses_of_pixels() -> None:
    """Sampler and loss are back in place afterwards."""
    head = model().segmentor.decode_head
    assert head.sampler is None and head.query_sampler == 'of queries'
    inputs, samples = batch()
    own = type(head).loss_by_feat
    before = dict(vars(head))
    model_loss = head.loss(model().segmentor.extract_feat(inputs), samples, None)
    assert 'loss_dice' in model_loss and head.loss_by_feat.__func__ is own
    assert {name: value for name, value in vars(head).items() if name[0] != '_'} == {
        name: value for name, value in before.items() if name[0] != '_'
    }


def both(loss: dict[str, Any]) -> dict[str, Any]:
    return query_segmentor(5, loss_decode=[loss, dict(type='CrossEntropyLoss')])


def beside(loss: dict[str, Any]) -> dict[str, Any]:
    config = query_segmentor(5, loss_decode=loss)
    config.auxiliary_head = segmentor_config(5, loss)['auxiliary_head']
    return config


@pytest.mark.parametrize(
    ('config', 'words'),
    [
        (lambda loss: segmentor_config(5, loss), r'^method.main_loss: SetLoss needs a head that .* is FCNHead$'),
        (both, r'^model.decode_head.loss_decode: SetLoss stands for all losses of a head, alone'),
        (beside, r'^model.auxiliary_head: SetLoss is the own loss .* FCNHead has none'),
    ],
)
def test_what_has_no_such_loss_is_refused(config: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        IncrementalSegmentor(config(dict(type='SetLoss')), LATER)


def test_a_head_without_matching_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = MODELS.get('TinyQueryHead')
    built = kind.__init__

    def without(self: Any, *args: Any, **options: Any) -> None:
        built(self, *args, **options)
        del self.sampler

    monkeypatch.setattr(kind, '__init__', without)
    with pytest.raises(ConfigError, match=r'model.decode_head: SetLoss .* train_cfg; TinyQueryHead has none'):
        model()


def test_nothing_labelled_has_finite_losses() -> None:
    inputs, samples = batch()
    for sample in samples:
        sample.gt_sem_seg.data.fill_(255)
    losses = model().loss(inputs, samples)
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values()) and losses['decode.loss_mask'] == 0


def test_it_is_no_loss_of_pixels() -> None:
    with pytest.raises(NotImplementedError):
        SetLoss()(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))
