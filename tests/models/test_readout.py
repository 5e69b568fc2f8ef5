"""Reading a segmentor's answers without changing it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

import mmciss.register_all  # noqa: F401
from mmciss.models.building import build_grown_segmentor
from mmciss.models.readout import Readout, main_classifier
from mmciss.models.teacher import Teacher
from tests.models.tiny import batch, segmentor_config


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
    with pytest.raises(RuntimeError, match='stop'):
        with Readout(segmentor, ['backbone.layer1'], losses_too=True):
            raise RuntimeError('stop')
    for module in segmentor.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert 'forward' not in segmentor.decode_head.__dict__


def test_teacher_never_learns_and_is_no_module() -> None:
    teacher = Teacher(MODELS.build(segmentor_config()), 'x.pth')
    inputs, _ = batch()
    output = teacher(inputs, ['backbone.layer1'])
    assert not isinstance(teacher, torch.nn.Module)
    assert not output.logits.requires_grad and not output.features['backbone.layer1'].requires_grad
    assert not any(p.requires_grad for p in teacher.segmentor.parameters())
    assert not any(m.training for m in teacher.segmentor.modules())
    again = teacher(inputs)
    assert torch.equal(output.logits, again.logits), 'evaluation mode: batch norms do not move'
