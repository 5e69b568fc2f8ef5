"""Rows of the previous step, and rows of future classes.

Future rows are in the softmax from the base step on, never in an answer, and become the new rows at their step.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.classifiers import GrowableConv2d, build_grown_segmentor, load_old_rows
from mmciss.models.classifiers.export import plain_layers, plain_state_dict
from mmciss.models.classifiers.old_rows import claim_future_rows
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.teacher import build_teacher
from mmciss.protocols.protocol import Protocol
from mmciss.utils.files import save_tensors
from tests.models.tiny import batch, segmentor_config
from tests.models.tiny_queries import query_segmentor

STEPS = Protocol.from_lists([[1, 2], [3, 4], [5]], num_classes=5)
ROWS = dict(future_rows=True)


def model(index: int, previous: dict | None = None, **options: Any) -> IncrementalSegmentor:
    torch.manual_seed(index)
    made = IncrementalSegmentor(
        segmentor_config(STEPS[index].num_seen), STEPS[index], previous=previous, classifier=ROWS, **options
    )
    made.init_weights()
    return made.train()


def finish(trained: IncrementalSegmentor, folder: Path) -> dict[str, str]:
    paths = {name: str(folder / f'{name}_{trained.step.index}.pth') for name in ('model', 'state')}
    save_tensors(paths['model'], {'state_dict': trained.plain_weights()})
    save_tensors(paths['state'], trained.method_state())
    return paths


def test_only_a_layer_that_trains_shows_them() -> None:
    layer = GrowableConv2d(4, (3, 1), future=2)
    x = torch.randn(1, 4, 2, 2)
    assert layer.train()(x).shape[1] == 6 and layer.eval()(x).shape[1] == 4
    torch.testing.assert_close(layer.train()(x)[:, 4:], layer.future(x))
    torch.testing.assert_close(layer.train()(x)[:, :4], layer.eval()(x))
    assert layer.out_channels == len(layer.weight) == 4


def test_they_stand_before_the_rows_that_are_no_class() -> None:
    layer = GrowableConv2d(4, (3,), rest=1, future=2)
    x = torch.randn(1, 4, 2, 2)
    torch.testing.assert_close(layer.train()(x)[:, 3:], torch.cat([layer.future(x), layer.rest(x)], 1))


def test_they_are_initialised_as_the_others_are() -> None:
    head = torch.nn.Module()
    head.conv_seg = GrowableConv2d(4, (3,), future=2)
    with plain_layers(head):
        assert len(head.conv_seg.weight) == 5
        torch.nn.init.constant_(head.conv_seg.weight, 0.5)
    assert head.conv_seg.future.weight.unique().item() == head.conv_seg.steps[0].weight.unique().item() == 0.5


def test_auxiliary_rows_are_initialised_as_the_others_are() -> None:
    head = torch.nn.Module()
    head.conv_seg = GrowableConv2d(4, (3,), auxiliary=2)
    with plain_layers(head):
        torch.nn.init.constant_(head.conv_seg.weight, 0.5)
        torch.nn.init.constant_(head.conv_seg.bias, -4.0)
    for rows in (head.conv_seg.auxiliary, head.conv_seg.steps[0]):
        assert rows.weight.unique().item() == 0.5 and rows.bias.unique().item() == -4.0


def test_the_softmax_of_every_head_pushes_them_down() -> None:
    base = model(0)
    inputs, samples = batch(channels=3)
    losses = base.loss(inputs, samples)
    (losses['decode.loss_ce'] + losses['aux.loss_ce']).backward()
    for head in (base.segmentor.decode_head, base.segmentor.auxiliary_head):
        assert head.conv_seg.future.weight.shape[0] == 3
        assert (head.conv_seg.future.bias.grad > 0).all(), 'a step against it makes them less probable'
    assert base.eval()(inputs, mode='tensor').shape[1] == 3


def test_each_step_goes_on_from_its_own(tmp_path: Path) -> None:
    base = model(0)
    kept = {name: tensor.detach().clone() for name, tensor in base.segmentor.state_dict().items()}
    second = model(1, finish(base, tmp_path))
    for head in ('decode_head', 'auxiliary_head'):
        layer, future = second.segmentor.get_submodule(f'{head}.conv_seg'), kept[f'{head}.conv_seg.future.weight']
        assert torch.equal(layer.steps[1].weight, future[:2]) and torch.equal(layer.future.weight, future[2:])
    third = model(2, finish(second, tmp_path))
    layer = third.segmentor.decode_head.conv_seg
    assert torch.equal(layer.steps[2].weight, kept['decode_head.conv_seg.future.weight'][2:]) and layer.future is None


def test_a_finished_step_is_a_plain_model_without_them(tmp_path: Path) -> None:
    base = model(0)
    plain = MODELS.build(segmentor_config(3)).eval()
    plain.load_state_dict(base.plain_weights())
    inputs, _ = batch()
    torch.testing.assert_close(plain(inputs, mode='tensor'), base.eval()(inputs, mode='tensor'))


def test_the_teacher_has_none(tmp_path: Path) -> None:
    second = model(1, finish(model(0), tmp_path), losses=dict(kd=dict(type='UnbiasedDistillationLoss')))
    second.set_teacher(build_teacher(second, 'cpu'))
    inputs, samples = batch()
    assert second.teacher(inputs).logits.shape[1] == 3
    assert second.loss(inputs, samples)['loss_kd'].requires_grad


def test_a_step_before_that_had_none_leaves_new_rows_at_random(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = IncrementalSegmentor(segmentor_config(3), STEPS[0])
    base.init_weights()
    second = model(1, finish(base, tmp_path))
    torch.manual_seed(1)
    untouched = IncrementalSegmentor(segmentor_config(5), STEPS[1], classifier=ROWS)
    for name in ('steps.1.weight', 'future.weight'):
        expected = untouched.segmentor.decode_head.conv_seg.state_dict()[name]
        assert torch.equal(second.segmentor.decode_head.conv_seg.state_dict()[name], expected)


def test_another_number_is_refused() -> None:
    head = torch.nn.Module()
    head.conv_seg = GrowableConv2d(4, (3, 2), future=2)
    with pytest.raises(ConfigError, match='conv_seg of the previous step has 5 rows.*adds 2 and later ones 2'):
        claim_future_rows(head, {'conv_seg.future.weight': torch.zeros(5, 4, 1, 1)})


def test_a_protocol_knows_what_is_to_come_and_a_single_step_does_not() -> None:
    assert [step.num_future for step in STEPS] == [3, 1, 0]
    assert [step.upcoming for step in STEPS] == [(2, 1), (1,), ()]
    assert STEPS.merged()[0].num_future == 0
    step = type(STEPS[0])(0, new=(1,), old=(), sizes=(2,), names=('background', 'cat'))
    grown = IncrementalSegmentor(segmentor_config(2), step, classifier=ROWS)
    assert grown.segmentor.decode_head.conv_seg.future is None


def test_a_pattern_for_them_may_stand_at_the_last_step(tmp_path: Path) -> None:
    freeze = dict(patterns=['*'], trainable=['*.steps.new.*', '*.future.*'])
    second = model(1, finish(model(0), tmp_path), freeze=freeze)
    third = model(2, finish(second, tmp_path), freeze=freeze)
    for made, count in ((second, 8), (third, 4)):
        assert sum(p.requires_grad for p in made.segmentor.parameters()) == count


def test_a_head_that_classifies_queries_has_them_before_no_object() -> None:
    torch.manual_seed(0)
    config = query_segmentor(3)
    grown = build_grown_segmentor(config, (3,), ROWS, num_future=2)
    inputs, _ = batch(channels=3)
    maps = grown.extract_feat(inputs)
    assert [scores.shape[1] for scores in grown.train().decode_head.forward(maps)] == [5, 5]
    assert grown.eval().decode_head.forward(maps).shape[1] == 3
    plain = build_grown_segmentor(config, (3,)).eval()
    plain.load_state_dict(plain_state_dict(grown))
    torch.testing.assert_close(
        plain.decode_head.forward(plain.extract_feat(inputs)), grown.decode_head.forward(grown.extract_feat(inputs))
    )


@pytest.mark.parametrize('form', ['plain', 'native'])
def test_old_rows(form: str) -> None:
    old = nn.Sequential(GrowableConv2d(4, (3, 1)), nn.Linear(2, 2))
    new = nn.Sequential(GrowableConv2d(4, (3, 1, 2), auxiliary=1), nn.Linear(2, 2))
    fresh = new[0].steps[2].weight.clone()
    state = plain_state_dict(old) if form == 'plain' else old.state_dict()
    assert load_old_rows(new, state) == ([], [])
    assert torch.equal(new[0].weight[:4], old[0].weight)
    assert torch.equal(new[0].bias[:4], old[0].bias)
    assert torch.equal(new[0].steps[2].weight, fresh)
    assert torch.equal(new[1].weight, old[1].weight)
    assert '0.weight' in state if form == 'plain' else '0.steps.0.weight' in state


def test_old_rows_reports_what_is_really_missing_or_too_much() -> None:
    new = nn.Sequential(GrowableConv2d(4, (3, 1)), nn.Linear(2, 2))
    missing, unexpected = load_old_rows(new, {'0.weight': torch.zeros(3, 4, 1, 1), 'other.weight': torch.zeros(1)})
    assert missing == ['0.steps.0.bias', '1.weight', '1.bias']
    assert unexpected == ['other.weight']


def test_old_rows_without_any_classifier_are_all_missing() -> None:
    missing, _ = load_old_rows(GrowableConv2d(4, (3, 1)), {})
    assert len(missing) == 4


def test_old_rows_must_end_with_a_step() -> None:
    with pytest.raises(ValueError, match=r'2 rows.*\(3, 1\)'):
        load_old_rows(GrowableConv2d(4, (3, 1)), {'weight': torch.zeros(2, 4, 1, 1)})


def test_kept_rows_are_logged() -> None:
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        load_old_rows(GrowableConv2d(4, (3, 1)), plain_state_dict(GrowableConv2d(4, (3,))))
    finally:
        logger.removeHandler(handler)
    assert any('steps.1.weight' in message for message in messages)
