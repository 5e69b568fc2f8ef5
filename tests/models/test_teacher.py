"""Teachers: with a network of their own, and on the trunk of a frozen student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS

from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.teacher import SharedTrunkTeacher, Teacher, build_teacher, trunk_is_frozen
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER, batch, segmentor_config

FROZEN = dict(patterns=['*'], trainable=['*.steps.new.*', '*.auxiliary.*'], norm='eval_affine_frozen', dropout='eval')
KD = dict(kd=dict(type='UnbiasedDistillationLoss', loss_weight=10.0))


@pytest.fixture
def previous(tmp_path: Path) -> dict[str, str]:
    torch.manual_seed(0)
    base = IncrementalSegmentor(segmentor_config(3), BASE, classifier=dict(auxiliary=1))
    base.init_weights()
    with torch.no_grad():
        for module in base.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
    paths = {'model': str(tmp_path / 'model.pth'), 'state': str(tmp_path / 'state.pth')}
    save_tensors(paths['model'], {'state_dict': base.plain_weights()})
    save_tensors(paths['state'], base.method_state())
    return paths


def student(
    previous: dict, dropout: float = 0.0, freeze: Any = FROZEN, losses: Any = KD, **options: Any
) -> IncrementalSegmentor:
    config = segmentor_config(5)
    config['decode_head']['dropout_ratio'] = dropout
    torch.manual_seed(1)
    model = IncrementalSegmentor(
        config, LATER, previous=previous, freeze=freeze, losses=losses, classifier=dict(auxiliary=1), **options
    )
    model.init_weights()
    return model.train()


def step(model: IncrementalSegmentor, share: bool) -> tuple[dict, dict, int]:
    """Returns losses, gradients and how often the backbone ran."""
    runs = []
    handle = model.segmentor.backbone.register_forward_hook(lambda *_: runs.append(1))
    model.set_teacher(build_teacher(model, 'cpu', share_trunk=share))
    model.zero_grad()
    losses = model.loss(*batch())
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    handle.remove()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return losses, grads, len(runs)


@pytest.mark.parametrize('dropout', [0.0, 0.1])
def test_sharing_changes_no_number_and_runs_the_trunk_once(previous: dict, dropout: float) -> None:
    model = student(previous, dropout)
    assert trunk_is_frozen(model)
    apart = step(model, share=False)
    together = step(model, share=True)
    assert isinstance(model.teacher, SharedTrunkTeacher)
    assert apart[0].keys() == together[0].keys()
    for name, value in apart[0].items():
        torch.testing.assert_close(together[0][name], value)
    assert apart[1].keys() == together[1].keys()
    assert any('steps.1' in name for name in apart[1])
    for name, value in apart[1].items():
        torch.testing.assert_close(together[1][name], value)
    # Apart, the student's backbone runs once and another network beside it; together once in all.
    assert apart[2] == together[2] == 1
    assert together[0]['loss_kd'] > 0


def test_nothing_is_left_behind(previous: dict) -> None:
    model = student(previous)
    step(model, share=True)
    assert 'extract_feat' not in vars(model.segmentor)
    assert 'forward' not in vars(model.segmentor.decode_head)
    other, _ = batch(seed=5)
    expected = model.eval().segmentor(other, mode='tensor')
    assert not torch.equal(expected, model.segmentor(batch()[0], mode='tensor'))


def test_the_teacher_keeps_the_old_rows_when_the_student_moves_its_own(previous: dict) -> None:
    model = student(previous)
    model.set_teacher(build_teacher(model, 'cpu', share_trunk=True))
    inputs, _ = batch()
    before = model.teacher(inputs)
    with torch.no_grad():
        model.segmentor.decode_head.conv_seg.auxiliary.weight.add_(1)
    after = model.teacher(inputs)
    assert before.logits.shape[1] == 3
    assert torch.equal(before.logits, after.logits) and torch.equal(before.auxiliary, after.auxiliary)


def test_whatever_moves_before_the_classifier_needs_a_network_of_its_own(previous: dict) -> None:
    trainable = FROZEN['trainable']
    for freeze in (
        None,
        dict(FROZEN, norm='train'),
        dict(patterns=['backbone.*'], norm='eval'),
        dict(FROZEN, trainable=[*trainable, 'backbone.layer4.*']),
    ):
        assert not trunk_is_frozen(student(previous, freeze=freeze))
    assert not trunk_is_frozen(student(previous, 0.1, dict(FROZEN, dropout='train')))
    features = dict(f=dict(type='FeatureDistillationLoss', layer='backbone.layer4', loss_weight=1.0))
    assert not trunk_is_frozen(student(previous, losses=features))


def test_asking_leaves_the_mode_alone(previous: dict) -> None:
    model = student(previous).eval()
    trunk_is_frozen(model)
    assert not any(module.training for module in model.modules())


def test_a_trainable_auxiliary_head_does_not_matter(previous: dict) -> None:
    trainable = [*FROZEN['trainable'], 'auxiliary_head.*']
    model = student(previous, freeze=dict(FROZEN, trainable=trainable))
    assert trunk_is_frozen(model)
    grads = step(model, share=True)[1]
    assert any(name.startswith('segmentor.auxiliary_head.convs') for name in grads)


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
