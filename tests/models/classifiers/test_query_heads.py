"""Heads that classify queries grow around 'no object', and are compared, trained and exported as pixel classifiers."""

from __future__ import annotations

import copy
import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

import mmciss.register_all
from mmciss.engine.statistics import BackgroundAttribution
from mmciss.errors import ConfigError
from mmciss.models.classifiers import (
    build_grown_segmentor,
    find_growable,
    load_old_rows,
    plain_model_cfg,
    plain_state_dict,
)
from mmciss.models.classifiers.head_config import check_class_weights, with_num_classes
from mmciss.models.classifiers.query_heads import PixelScores, check_complete, pixel_head, pixel_scores, score_pixels
from mmciss.models.freezing import freeze
from mmciss.models.initializers.background_initializer import BackgroundInitializer
from mmciss.models.outputs import run_segmentor
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.slots import check_needs
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import build_teacher
from mmciss.utils.configs import load_config
from tests.models.tiny import BASE, LATER, batch
from tests.models.tiny_queries import query_segmentor


def predicted(model: nn.Module, inputs: Tensor) -> Tensor:
    """Returns what plain MMSegmentation predicts."""
    with torch.no_grad():
        return torch.stack([item.seg_logits.data for item in model.eval().predict(inputs)])


@pytest.fixture
def extended() -> tuple[nn.Module, nn.Module]:
    """A plain model, and one of the next step that starts from it."""
    torch.manual_seed(0)
    old = MODELS.build(query_segmentor(3))
    new = build_grown_segmentor(query_segmentor(5), LATER.sizes)
    assert load_old_rows(new, old.state_dict()) == ([], [])
    return old.eval(), new.eval()


def test_scores_are_the_logarithm_of_semantic_inference() -> None:
    torch.manual_seed(0)
    classes, masks = torch.randn(2, 7, 4, dtype=torch.float64), 3 * torch.randn(2, 7, 5, 6, dtype=torch.float64)
    wanted = torch.einsum('nqc,nqhw->nchw', classes.softmax(-1)[..., :-1], masks.sigmoid())
    torch.testing.assert_close(pixel_scores(classes, masks).exp(), wanted)
    torch.testing.assert_close(pixel_scores(classes, masks).softmax(1), wanted / wanted.sum(1, keepdim=True))
    assert torch.autograd.gradcheck(
        pixel_scores, (classes[:1, :3].requires_grad_(), masks[:1, :3, :2, :2].requires_grad_())
    )


def test_scores_neither_underflow_nor_lose_their_gradient() -> None:
    classes, masks = torch.zeros(1, 2, 3), torch.zeros(1, 2, 1, 1)
    classes[..., -1] = 200.0  # 'no object' everywhere: the probabilities of classes are zero in float32
    masks[:] = -150.0
    classes.requires_grad_(), masks.requires_grad_()
    scores = pixel_scores(classes, masks)
    torch.testing.assert_close(scores, torch.full((1, 2, 1, 1), math.log(2) - 350.0))
    (-scores.log_softmax(1)[:, 0].sum()).backward()
    torch.testing.assert_close(classes.grad[..., :2], torch.tensor([[-0.25, 0.25]] * 2)[None])
    assert masks.grad.isfinite().all()


@pytest.mark.parametrize('gap', [50.0, 100.0, 1000.0])
def test_scores_and_gradients_are_finite_whatever_the_queries_say(gap: float) -> None:
    torch.manual_seed(0)
    classes, masks = (gap * torch.randn(2, 5, 4)).requires_grad_(), (gap * torch.randn(2, 5, 8, 8)).requires_grad_()
    scores = pixel_scores(classes, masks)
    nn.functional.cross_entropy(scores, torch.zeros(2, 8, 8, dtype=torch.long)).backward()
    assert scores.isfinite().all() and classes.grad.isfinite().all() and masks.grad.isfinite().all()


def test_mixed_precision_computes_scores_in_float32() -> None:
    classes, masks = torch.randn(1, 2, 3, dtype=torch.bfloat16), torch.randn(1, 2, 4, 4, dtype=torch.bfloat16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        scores = pixel_scores(classes, masks)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, pixel_scores(classes.float(), masks.float()))


def test_rows_grow_before_no_object(extended: tuple[nn.Module, nn.Module]) -> None:
    old, new = extended
    assert find_growable(query_segmentor(3).decode_head) == ['cls_embed']
    layer, plain = new.decode_head.cls_embed, old.decode_head.cls_embed
    assert layer.weight.shape == (6, 8) and (layer.out_channels, layer.out_features) == (5, 6)
    for grown, before in ((layer.weight, plain.weight), (layer.bias, plain.bias)):
        assert torch.equal(grown[:3], before[:3]) and torch.equal(grown[-1], before[-1])
    assert [name for name, _ in layer.named_parameters() if 'weight' in name] == [
        'steps.0.weight',
        'steps.1.weight',
        'rest.weight',
    ]


def test_both_forms_of_weights_load(extended: tuple[nn.Module, nn.Module]) -> None:
    _, new = extended
    for state in (new.state_dict(), plain_state_dict(new)):
        for read in (lambda model, weights: model.load_state_dict(weights), load_old_rows):
            other = build_grown_segmentor(query_segmentor(5), LATER.sizes)
            read(other, state)
            assert torch.equal(other.decode_head.cls_embed.weight, new.decode_head.cls_embed.weight)
    with pytest.raises(RuntimeError, match=r'4 rows but this model has 5 channels, .* and 1 rows after'):
        new.load_state_dict(MODELS.build(query_segmentor(3)).state_dict())


def test_the_background_is_shared_out_exactly(extended: tuple[nn.Module, nn.Module]) -> None:
    old, new = extended
    BackgroundInitializer()(new.decode_head.cls_embed, StepContext(LATER))
    inputs, _ = batch()
    before, after = predicted(old, inputs), predicted(new, inputs)
    torch.testing.assert_close(after[:, 1:3], before[:, 1:3])
    torch.testing.assert_close(after[:, [0, 3, 4]], before[:, :1].expand(-1, 3, -1, -1) / 3)
    scores = run_segmentor(new, inputs)
    teacher = build_grown_segmentor(query_segmentor(3), (3,)).eval()
    teacher.load_state_dict(old.state_dict())
    shared = torch.cat([scores[:, [0, 3, 4]].logsumexp(1, keepdim=True), scores[:, 1:3]], 1)
    torch.testing.assert_close(shared, run_segmentor(teacher, inputs))


def test_a_plain_model_predicts_the_same_from_what_is_exported(extended: tuple[nn.Module, nn.Module]) -> None:
    _, new = extended
    config = plain_model_cfg(query_segmentor(3), 5)
    assert config.decode_head == query_segmentor(5).decode_head
    plain = MODELS.build(config)
    assert not isinstance(plain.decode_head, PixelScores)
    state = plain_state_dict(new)
    assert list(state) == list(plain.state_dict())
    plain.load_state_dict(state)
    inputs, _ = batch()
    assert torch.equal(predicted(plain, inputs), predicted(new, inputs))


def test_losses_are_those_of_pixels_and_reach_masks_and_classes(extended: tuple[nn.Module, nn.Module]) -> None:
    _, new = extended
    inputs, samples = batch()
    losses = new.train().loss(inputs, samples)
    assert set(losses) == {'decode.loss_ce', 'decode.early.loss_ce', 'decode.acc_seg'}
    losses['decode.loss_ce'].backward()
    head = new.decode_head
    touched = [
        head.cls_embed.steps[0].weight,
        head.cls_embed.steps[1].weight,
        head.mask_embed[2].weight,
        head.pixels.weight,
        head.query_feat.weight,
        head.layers[0].weight,
        new.backbone.stem[0].weight,
    ]
    assert all(weight.grad.abs().sum() > 0 for weight in touched)
    assert head.sampler is None and type(head).__name__ == 'TinyQueryHead'


def test_earlier_layers_have_the_same_loss_at_the_resolution_of_the_masks(
    extended: tuple[nn.Module, nn.Module],
) -> None:
    _, new = extended
    inputs, samples = batch()
    first, last = new.train().decode_head(new.extract_feat(inputs))
    side = first.shape[-1]
    labels = torch.stack([sample.gt_sem_seg.data[0, :: 32 // side, :: 32 // side] for sample in samples])
    found = new.decode_head.loss_by_feat([first, last], samples)
    torch.testing.assert_close(found['early.loss_ce'], nn.functional.cross_entropy(first, labels))
    torch.testing.assert_close(new.decode_head.loss_by_feat([first, first, last], samples), found)
    assert 'early.loss_ce' not in new.decode_head.loss_by_feat([last], samples)
    full = nn.functional.interpolate(last, (32, 32), mode='bilinear', align_corners=False)
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
    torch.testing.assert_close(found['loss_ce'], nn.functional.cross_entropy(full, labels))


def test_own_losses_of_the_config_are_used() -> None:
    config = query_segmentor(3, loss_decode=[dict(type='CrossEntropyLoss'), dict(type='DiceLoss')]).decode_head
    score_pixels(config)
    head = MODELS.build(config)
    assert [loss.loss_name for loss in head.loss_decode] == ['loss_ce', 'loss_dice']
    assert isinstance(copy.deepcopy(head), PixelScores)


def test_heads_for_queries_are_replaced_by_registered_classes_and_others_are_not() -> None:
    kind = MODELS.get('TinyQueryHead')
    assert pixel_head(kind) is pixel_head(kind) is MODELS.get('PixelTinyQueryHead')
    assert issubclass(pixel_head(kind), (PixelScores, kind)) and MODELS.get('TinyQueryHead') is kind
    for config in (dict(type='FCNHead'), dict(type=pixel_head(kind)), dict(type='nothing')):
        kept = dict(config)
        score_pixels(config)
        assert config == kept


def test_a_step_learns_from_a_teacher(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = IncrementalSegmentor(query_segmentor(3), BASE)
    base.init_weights()
    torch.save({'state_dict': base.plain_weights()}, tmp_path / 'model.pth')
    config = query_segmentor(5, loss_decode=dict(type='UnbiasedCrossEntropyLoss'))
    model = IncrementalSegmentor(
        config,
        LATER,
        losses=dict(kd=dict(type='UnbiasedDistillationLoss', loss_weight=1.0)),
        freeze=dict(norm='eval'),
        initializer=dict(type='BackgroundInitializer'),
        previous=dict(model=str(tmp_path / 'model.pth'), state=None),
    )
    model.init_weights()
    model.set_teacher(build_teacher(model, 'cpu'))
    model.train()
    inputs, samples = batch()
    found = model.loss(inputs, samples)
    answer = model.teacher(inputs).logits_at((32, 32)).log_softmax(1)
    # At MiB's start the student says what its teacher does: what is left is the teacher's entropy.
    torch.testing.assert_close(found['loss_kd'].detach(), -(answer.exp() * answer).mean(), rtol=1e-3, atol=1e-4)
    (found['loss_kd'] + found['decode.loss_ce']).backward()
    assert all(group.weight.grad.abs().sum() > 0 for group in model.segmentor.decode_head.cls_embed.groups)


@pytest.mark.parametrize(
    'slots, words',
    [
        (
            dict(classifier=dict(auxiliary=1)),
            r"method.classifier.auxiliary=1 needs a head with one classifier 'conv_seg'",
        ),
        (dict(losses=dict(dkd=dict(type='DecomposedDistillationLoss'))), r'method.losses.dkd: .* TinyQueryHead'),
        (dict(decision=dict(type='SigmoidThresholdDecision')), 'method.decision: .* TinyQueryHead'),
    ],
)
def test_what_needs_a_single_linear_classifier_is_refused_with_its_key(slots: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        IncrementalSegmentor(query_segmentor(3), BASE, **slots)


def test_a_pass_that_needs_a_linear_classifier_is_refused_with_its_key() -> None:
    model = build_grown_segmentor(query_segmentor(3), (3,))
    with pytest.raises(ConfigError, match='method.statistics.mask: .* needs the input of a single linear classifier'):
        check_needs(model, BackgroundAttribution(), 'method.statistics.mask')


def test_no_object_is_frozen_with_the_old_classes() -> None:
    model = build_grown_segmentor(query_segmentor(5), (3, 2))
    assert [name.partition('cls_embed.')[2] for name in freeze(model, ['*.steps.old.*'])] == [
        'steps.0.weight',
        'steps.0.bias',
        'rest.weight',
        'rest.bias',
    ]
    base = build_grown_segmentor(query_segmentor(3), (3,))
    assert not [name for name in freeze(base, ['backbone.*'], trainable=['*.steps.new.*']) if 'cls_embed' in name]
    assert 'decode_head.cls_embed.rest.bias' in freeze(base, ['*.steps.new.*'])


def test_the_number_of_classes_in_a_config() -> None:
    head = query_segmentor(3, out_channels=3, loss_decode=dict(type='DiceLoss')).decode_head
    head.loss_cls.class_weight = [2.0, 3.0, 4.0, 0.1]
    more = with_num_classes(head, 5)
    assert more.num_classes == 5 and more.loss_cls.class_weight == [2.0, 3.0, 4.0, 1.0, 1.0, 0.1]
    assert more.out_channels == 3, 'the width of the masks, whatever the number of classes'
    assert with_num_classes(more, 3) == head
    check_class_weights(more, 5, 'model.decode_head')
    with pytest.raises(ConfigError, match=r'class_weight of CrossEntropyLoss has 6 .* num_classes and 1 more'):
        check_class_weights(more, 6, 'model.decode_head')
    more.loss_decode = dict(type='CrossEntropyLoss', class_weight=[1.0] * 6)
    with pytest.raises(ConfigError, match='has 6 values, but this step has 5 channels'):
        check_class_weights(more, 5, 'model.decode_head')


@pytest.mark.skipif(importlib.util.find_spec('mmdet') is not None, reason='MMDetection is installed')
@pytest.mark.parametrize('kind', ['MaskFormerHead', 'mmseg.Mask2FormerHead'])
def test_without_mmdet_the_error_says_what_to_install(kind: str) -> None:
    head = dict(type=kind, num_classes=150)
    words = r'^model.decode_head: Mask\w+Head needs MMDetection .*pip install "mmciss\[mask2former\]" && pip inst'
    model = dict(type='EncoderDecoder', backbone=dict(type='ResNet', depth=18), decode_head=head)
    for build in (lambda: find_growable(head), lambda: build_grown_segmentor(model, (150,))):
        with pytest.raises(ConfigError, match=words) as caught:
            build()
        assert '\n' not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec('mmdet') is not None, reason='MMDetection is installed')
def test_without_mmdet_a_config_that_imports_it_says_so_too(tmp_path: Path) -> None:
    (tmp_path / 'config.py').write_text("custom_imports = dict(imports='mmdet.models', allow_failed_imports=False)\n")
    with pytest.raises(ConfigError, match=r'config.py: custom_imports: needs MMDetection and .*pip install') as caught:
        load_config(tmp_path / 'config.py')
    assert '\n' not in str(caught.value)


def test_other_heads_are_complete() -> None:
    for kind in ('FCNHead', 'TinyQueryHead', MODELS.get('FCNHead'), 'nothing'):
        check_complete(dict(type=kind), 'model.decode_head')
