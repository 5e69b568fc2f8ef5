"""Rows for classes to come: in the softmax from the base step on, never an answer, and new ones at their step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS

import mmciss.register_all  # noqa: F401
from mmciss.errors import ConfigError
from mmciss.models.building import build_grown_segmentor, build_teacher
from mmciss.models.classifiers import GrowableConv2d
from mmciss.models.classifiers.export import plain_state_dict
from mmciss.models.classifiers.future_rows import claim_future_rows
from mmciss.models.classifiers.plain_layers import plain_layers
from mmciss.models.incremental_segmentor import IncrementalSegmentor
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
    with pytest.raises(ConfigError, match='conv_seg of the step before has 5 rows.*adds 2 and later ones 2'):
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
