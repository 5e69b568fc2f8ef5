"""Reading a segmentor's answers without changing it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.decode_heads import point_head
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.decisions import auxiliary_appended
from mmciss.models.outputs import Readout, main_classifier, main_head, refined_everywhere, refining_head, run_segmentor
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.teacher import build_teacher
from mmciss.protocols.step import Step
from tests.models import tiny
from tests.models.tiny import batch, segmentor_config
from tests.models.tiny_heads import point_sample_stub, tiny_batch, tiny_segmentor

NAMES = ('background', 'cat', 'dog', 'cow')
BASE = Step(0, new=(1, 2), old=(), sizes=(3,), names=NAMES[:3])
LATER = Step(1, new=(3,), old=(1, 2), sizes=(3, 1), names=NAMES)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    if point_head.point_sample is None:
        monkeypatch.setattr(point_head, 'point_sample', point_sample_stub)


@pytest.fixture
def segmentor() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_grown_segmentor(segmentor_config(5), (3, 2)).eval()


def test_logits_embedding_and_features_are_those_of_the_run(segmentor: torch.nn.Module) -> None:
    inputs, _ = batch()
    with Readout(segmentor, ['backbone.layer2']) as readout:
        logits = segmentor(inputs, mode='tensor')
    output = readout.output()
    assert torch.equal(output.logits, logits)
    _, classifier = main_classifier(segmentor)
    assert torch.equal(F.conv2d(output.embedding, classifier.weight, classifier.bias), logits)
    assert torch.equal(output.features['backbone.layer2'], segmentor.extract_feat(inputs)[1])


def test_logits_upsampled_for_the_loss_are_used_again(segmentor: torch.nn.Module) -> None:
    inputs, samples = batch()
    seen = []
    handle = segmentor.decode_head.loss_decode.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with Readout(segmentor, losses_too=True) as readout:
        segmentor.loss(inputs, samples)
    handle.remove()
    output = readout.output()
    assert output.logits_at((32, 32)) is seen[0]
    expected = F.interpolate(output.logits, (32, 32), mode='bilinear', align_corners=False)
    torch.testing.assert_close(seen[0], expected)


def test_nothing_stays_behind_even_after_an_error(segmentor: torch.nn.Module) -> None:
    with pytest.raises(RuntimeError, match='stop'), Readout(segmentor, ['backbone.layer1'], losses_too=True):
        raise RuntimeError('stop')
    for module in segmentor.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert 'forward' not in segmentor.decode_head.__dict__


def test_only_models_that_refine_points_have_a_refining_head() -> None:
    model = MODELS.build(tiny_segmentor('OCRHead', 3)).eval()
    inputs, _ = tiny_batch(3)
    assert refining_head(model) is None and main_head(model)[0] == 'decode_head.1'
    assert torch.equal(run_segmentor(model, inputs), model(inputs, mode='tensor'))


def test_the_refining_head_looks_at_the_centres_of_the_places() -> None:
    torch.manual_seed(0)
    model = MODELS.build(tiny_segmentor('PointHead', 3)).eval()
    inputs, _ = tiny_batch(3)
    maps, coarse = model.extract_feat(inputs), run_segmentor(model, inputs)
    head = refining_head(model)
    height, width = coarse.shape[-2:]
    rows, columns = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing='ij'
    )
    points = torch.stack([columns, rows], -1).view(1, -1, 2).expand(len(inputs), -1, -1)
    expected = head(
        head._get_fine_grained_point_feats(head._transform_inputs(maps), points),
        head._get_coarse_point_feats(coarse, points),
    )
    torch.testing.assert_close(refined_everywhere(head, maps, coarse).flatten(2), expected)


def test_both_answers_of_a_refined_model_are_read() -> None:
    model = MODELS.build(tiny_segmentor('PointHead', 3)).eval()
    inputs, samples = tiny_batch(3)
    forward = model.extract_feat
    with Readout(model, losses_too=True) as readout:
        model.loss(inputs, samples)
    output = readout.output()
    torch.testing.assert_close(output.logits, run_segmentor(model, inputs))
    assert output.refined.logits.shape == output.logits.shape and output.classifier is not None
    assert not torch.allclose(output.refined.logits, output.logits)
    assert model.extract_feat == forward, 'nothing is left behind'


def test_a_step_distils_both_answers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = IncrementalSegmentor(tiny_segmentor('PointHead', 3), BASE)
    torch.save({'state_dict': base.plain_weights()}, tmp_path / 'model.pth')
    losses = dict(kd=dict(type='UnbiasedDistillationLoss', loss_weight=1.0))
    model = IncrementalSegmentor(
        tiny_segmentor('PointHead', 4),
        LATER,
        losses=losses,
        freeze=dict(norm='eval'),
        initializer=dict(type='BackgroundInitializer'),
        previous=dict(model=str(tmp_path / 'model.pth'), state=None),
    )
    model.init_weights()
    model.set_teacher(build_teacher(model, 'cpu'))
    model.train()
    inputs, samples = tiny_batch(4)
    found = model.loss(inputs, copy.deepcopy(samples))
    assert {'decode_0.loss_ce', 'decode_1.pointloss_ce', 'loss_kd'} <= found.keys()
    with torch.no_grad():
        model.segmentor.decode_head[1].fc_seg.steps[0].weight += torch.randn_like(
            model.segmentor.decode_head[1].fc_seg.steps[0].weight
        )
    torch.testing.assert_close(
        model.loss(inputs, copy.deepcopy(samples))['decode_0.loss_ce'], found['decode_0.loss_ce']
    )
    moved = model.loss(inputs, copy.deepcopy(samples))['loss_kd']
    assert moved > found['loss_kd'] + 1e-3, 'what only the points forget costs too'
    moved.backward()
    assert model.segmentor.decode_head[1].fcs[0].conv.weight.grad.abs().sum() > 0


def test_auxiliary_channels_are_appended_inside_the_block() -> None:
    torch.manual_seed(0)
    segmentor = build_grown_segmentor(segmentor_config(3), (3,), dict(auxiliary=2)).eval()
    inputs, _ = batch()
    plain = segmentor(inputs, mode='tensor')
    with auxiliary_appended(segmentor) as count:
        more = segmentor(inputs, mode='tensor')
        assert segmentor.out_channels == 5
    assert count == 2 and more.shape[1] == 5
    # Five outputs may be computed by another kernel than three, in float32.
    torch.testing.assert_close(more[:, :3], plain, rtol=1e-5, atol=1e-6)
    assert torch.equal(segmentor(inputs, mode='tensor'), plain)
    assert segmentor.out_channels == 3


def test_after_an_error_no_auxiliary_channels_are_left() -> None:
    segmentor = build_grown_segmentor(segmentor_config(3), (3,), dict(auxiliary=1)).eval()
    with pytest.raises(RuntimeError), auxiliary_appended(segmentor):
        raise RuntimeError
    assert segmentor(batch()[0], mode='tensor').shape[1] == 3


def test_a_model_without_auxiliary_channels_is_left_alone() -> None:
    segmentor = build_grown_segmentor(segmentor_config(3), (3,)).eval()
    with auxiliary_appended(segmentor) as count:
        assert count == 0 and segmentor(batch()[0], mode='tensor').shape[1] == 3


@pytest.mark.parametrize('layer, channels', [('backbone', 32), ('backbone.layer2', 8)])
def test_prototypes_get_their_width_when_the_model_is_built(layer: str, channels: int) -> None:
    loss = dict(type='PrototypeLoss', layer=layer, matching_weight=0)
    model = IncrementalSegmentor(segmentor_config(3), tiny.BASE, losses=dict(latent=loss))
    assert model.losses.latent.prototypes.shape == (3, channels)


def test_an_unknown_layer_names_the_key() -> None:
    loss = dict(type='PrototypeLoss', layer='backbone.layer9', matching_weight=0)
    with pytest.raises(ConfigError, match=r'method\.losses\.latent\.layers.*layer9'):
        IncrementalSegmentor(segmentor_config(3), tiny.BASE, losses=dict(latent=loss))
