"""A head that refines points: the student's answer is compared with its teacher's at the same places."""

from __future__ import annotations

import copy

import pytest
import torch
from mmseg.models.decode_heads import point_head
from mmseg.registry import MODELS

import mmciss.register_all  # noqa: F401
from mmciss.models.building import build_teacher
from mmciss.models.incremental_segmentor import IncrementalSegmentor
from mmciss.models.readout import Readout, main_head
from mmciss.models.refining import raw_answer, refined_everywhere, refining_head
from mmciss.protocols.step import Step
from tests.models.tiny_heads import point_sample_stub, tiny_batch, tiny_segmentor

NAMES = ('background', 'cat', 'dog', 'cow')
BASE = Step(0, new=(1, 2), old=(), sizes=(3,), names=NAMES[:3])
LATER = Step(1, new=(3,), old=(1, 2), sizes=(3, 1), names=NAMES)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    if point_head.point_sample is None:
        monkeypatch.setattr(point_head, 'point_sample', point_sample_stub)


def test_other_models_have_none() -> None:
    model = MODELS.build(tiny_segmentor('OCRHead', 3)).eval()
    inputs, _ = tiny_batch(3)
    assert refining_head(model) is None and main_head(model)[0] == 'decode_head.1'
    assert torch.equal(raw_answer(model, inputs), model(inputs, mode='tensor'))


def test_it_looks_at_the_centres_of_the_places() -> None:
    torch.manual_seed(0)
    model = MODELS.build(tiny_segmentor('PointHead', 3)).eval()
    inputs, _ = tiny_batch(3)
    maps, coarse = model.extract_feat(inputs), raw_answer(model, inputs)
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


def test_both_answers_are_read() -> None:
    model = MODELS.build(tiny_segmentor('PointHead', 3)).eval()
    inputs, samples = tiny_batch(3)
    forward = model.extract_feat
    with Readout(model, losses_too=True) as readout:
        model.loss(inputs, samples)
    output = readout.output()
    torch.testing.assert_close(output.logits, raw_answer(model, inputs))
    assert output.refined.logits.shape == output.logits.shape and output.classifier is not None
    assert not torch.allclose(output.refined.logits, output.logits)
    assert model.extract_feat == forward, 'nothing is left behind'


def test_a_step_distils_both_answers(tmp_path) -> None:
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
