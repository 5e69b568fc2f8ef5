"""Every head of MMSegmentation whose classes are rows: it grows, learns, predicts, exports."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.decode_heads import cc_head, point_head, psa_head
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers import grow_segmentor, growable_layers, load_old_rows, plain_model_cfg, plain_state_dict
from tests.models.tiny_heads import (
    HEADS,
    LAYERS,
    CrissCrossStub,
    PSAMaskStub,
    point_sample_stub,
    tiny_batch,
    tiny_segmentor,
)

SIZES = (3, 1, 1)
RANDOM_IN_EVALUATION = ('LightHamHead',)
MIXES_CLASSES = ('IterativeDecodeHead', 'OCRHead', 'SegmenterMaskTransformerHead')
"""Heads in which a new class changes the logits of the others: attention over classes."""


@pytest.fixture(autouse=True)
def stand_ins_for_compiled_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    if cc_head.CrissCrossAttention is None:
        monkeypatch.setattr(cc_head, 'CrissCrossAttention', CrissCrossStub)
    if psa_head.PSAMask is None:
        monkeypatch.setattr(psa_head, 'PSAMask', PSAMaskStub)
    if point_head.point_sample is None:
        monkeypatch.setattr(point_head, 'point_sample', point_sample_stub)


def logits_of(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    model.eval()
    torch.manual_seed(1)
    with torch.no_grad():
        return model.encode_decode(inputs, [dict(img_shape=inputs.shape[-2:])] * len(inputs))


def losses_of(model: nn.Module, classes: int) -> dict[str, torch.Tensor]:
    model.train()
    return model.loss(*tiny_batch(classes))


def test_the_list_is_complete() -> None:
    assert len({name.partition('-')[0] for name in HEADS}) == 31


@pytest.mark.parametrize('name', ['FCNHead', 'DAHead', 'EncHead', 'DDRHead', 'PIDHead', 'OCRHead', 'PointHead'])
def test_losses_see_rows_of_future_classes_and_answers_do_not(name: str) -> None:
    torch.manual_seed(0)
    config = tiny_segmentor(name, sum(SIZES), auxiliary=name == 'FCNHead')
    model = MODELS.build(config)
    inputs, _ = tiny_batch(sum(SIZES))
    before = logits_of(model, inputs)
    grow_segmentor(model, config, SIZES, future_rows=True, num_future=2)
    assert torch.equal(logits_of(model, inputs), before)
    losses = losses_of(model, sum(SIZES))
    sum(value.sum() for key, value in losses.items() if 'loss' in key).backward()
    future = [layer.future for layer in growable_layers(model).values() if layer.future is not None]
    assert len(future) == (2 if name == 'FCNHead' else 1)
    assert all(layer.weight.shape[0] == 2 and layer.weight.grad.abs().sum() > 0 for layer in future)


@pytest.mark.parametrize('name', ['IterativeDecodeHead', 'SegmenterMaskTransformerHead'])
def test_future_rows_need_a_layer_that_gives_the_answer(name: str) -> None:
    config = tiny_segmentor(name, sum(SIZES))
    with pytest.raises(ConfigError, match=f'future_rows=True needs a head with one classifier; .*{name}.*to False'):
        grow_segmentor(MODELS.build(config), config, SIZES, future_rows=True, num_future=2)


def test_future_rows_and_a_list_of_class_weights_do_not_go_together() -> None:
    config = tiny_segmentor('FCNHead', sum(SIZES))
    config.decode_head.loss_decode.class_weight = [1.0] * sum(SIZES)
    with pytest.raises(ConfigError, match=r'model.decode_head: class_weight of CrossEntropyLoss has 5 values.*7'):
        grow_segmentor(MODELS.build(config), config, SIZES, future_rows=True, num_future=2)


@pytest.mark.parametrize('name', HEADS)
def test_head(name: str) -> None:
    torch.manual_seed(0)
    config = tiny_segmentor(name, sum(SIZES))
    model = MODELS.build(config)
    inputs, samples = tiny_batch(sum(SIZES))
    before = logits_of(model, inputs)

    assert grow_segmentor(model, config, SIZES) == list(LAYERS[name])
    assert torch.equal(logits_of(model, inputs), before)

    losses = losses_of(model, sum(SIZES))
    sum(value.sum() for key, value in losses.items() if 'loss' in key).backward()
    for layer in growable_layers(model).values():
        for group in layer.steps:
            assert group.weight.grad.abs().sum() > 0 and group.bias.grad.abs().sum() > 0

    model.eval()
    predicted = model.predict(inputs, samples)[0]
    assert predicted.seg_logits.data.shape[0] == sum(SIZES)
    assert predicted.pred_sem_seg.data.max() < sum(SIZES)

    plain = MODELS.build(plain_model_cfg(config, sum(SIZES)))
    plain.load_state_dict(plain_state_dict(model), strict=True)
    assert torch.equal(logits_of(plain, inputs), logits_of(model, inputs))


@pytest.mark.parametrize('name', HEADS)
def test_a_step_starts_with_the_old_model(name: str) -> None:
    torch.manual_seed(0)
    old = MODELS.build(tiny_segmentor(name, 4))
    losses_of(old, 4)  # gives the batch norms statistics of their own
    config = tiny_segmentor(name, 5)
    new = MODELS.build(config)
    grow_segmentor(new, config, SIZES)
    assert load_old_rows(new, old.state_dict()) == ([], [])
    inputs, _ = tiny_batch(4)
    logits = logits_of(new, inputs)
    assert logits.shape[1] == 5
    if name not in MIXES_CLASSES:
        torch.testing.assert_close(logits[:, :4], logits_of(old, inputs))
