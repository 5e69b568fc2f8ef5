"""Parallel branches in whole models, and the plain model that they become."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.structures.parallel_branches import ParallelConv, conv_norm_pairs
from mmciss.models.teacher import build_teacher
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER, batch, segmentor_config

STRUCTURE = dict(type='ParallelBranches')
KD = dict(kd=dict(type='UnbiasedDistillationLoss', loss_weight=10.0))


def build(step: Any, segmentor: dict | None = None, **options: Any) -> IncrementalSegmentor:
    torch.manual_seed(step.index)
    config = segmentor_config(step.num_seen) if segmentor is None else segmentor
    model = IncrementalSegmentor(ConfigDict(config), step, **{'structure': STRUCTURE, **options})
    model.init_weights()
    return model


def disturb(model: nn.Module) -> None:
    """Makes all branches different."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor += 0.2 * torch.rand_like(tensor)


def save(model: IncrementalSegmentor, folder: Path) -> dict[str, str]:
    save_tensors(folder / 'model.pth', {'state_dict': model.plain_weights()})
    save_tensors(folder / 'state.pth', model.method_state())
    return {'model': str(folder / 'model.pth'), 'state': str(folder / 'state.pth')}


def plain_of(model: IncrementalSegmentor) -> nn.Module:
    """Builds plain MMSegmentation's model and loads the exported weights, strictly."""
    plain = MODELS.build(ConfigDict(model.segmentor.build_config))
    plain.load_state_dict(model.plain_weights(), strict=True)
    return plain.eval()


def branches(model: IncrementalSegmentor, part: str, leaf: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Returns both tensors of every doubled layer in a part of the model."""
    state = model.segmentor.state_dict()
    found = [
        (state[name], state[name.replace('.branches.0.', '.branches.1.')])
        for name in state
        if name.startswith(part) and '.branches.0.' in name and name.endswith(leaf)
    ]
    assert found
    return [(first, second) for first, second in found if first.dim() == 4]


def test_base_step_starts_as_plain_mmsegmentation_with_branches_of_their_own() -> None:
    torch.manual_seed(BASE.index)
    plain = MODELS.build(ConfigDict(segmentor_config(3)))
    plain.init_weights()
    model = build(BASE)
    state = model.segmentor.state_dict()
    for name, tensor in plain.state_dict().items():
        path, leaf = name.rsplit('.', 1)
        assert torch.equal(state.get(f'{path}.branches.0.{leaf}', state.get(name, tensor)), tensor), name
    for part in ('backbone', 'decode_head'):
        for first, second in branches(model, part, '.weight'):
            assert not torch.equal(first, second)
            # Drawn by the same rule: the standard deviations of some hundred numbers are close.
            assert second.std() == pytest.approx(first.std().item(), rel=0.35)


def test_pretrained_weights_are_equal_in_both_branches_and_the_head_is_drawn_twice(tmp_path: Path) -> None:
    config = segmentor_config(3)
    config.pop('auxiliary_head')
    source = MODELS.build(ConfigDict(config))
    torch.save(source.backbone.state_dict(), tmp_path / 'imagenet.pth')
    config['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint=str(tmp_path / 'imagenet.pth'))
    model = build(BASE, config)
    assert all(torch.equal(first, second) for first, second in branches(model, 'backbone', '.weight'))
    assert not any(torch.equal(first, second) for first, second in branches(model, 'decode_head', '.weight'))
    for name, tensor in source.backbone.state_dict().items():
        path, leaf = name.rsplit('.', 1)
        own = model.segmentor.backbone.state_dict()
        assert torch.equal(own.get(f'{path}.branches.1.{leaf}', own.get(name, tensor)), tensor), name


@pytest.mark.parametrize('depth', [18, 50])
def test_exported_model_is_plain_and_gives_the_same_logits(depth: int) -> None:
    config = segmentor_config(3)
    config['backbone']['depth'] = depth
    if depth == 50:
        config['decode_head']['in_channels'] = 128
        config['auxiliary_head']['in_channels'] = 64
    model = build(BASE, config)
    disturb(model)
    assert sum(isinstance(m, ParallelConv) for m in model.modules()) == 16 + 2, 'blocks and head'
    inputs, _ = batch()
    expected = model.eval()(inputs, mode='tensor')
    torch.testing.assert_close(plain_of(model)(inputs, mode='tensor'), expected, rtol=1e-4, atol=1e-4)


def test_later_step_has_the_merged_branch_frozen_and_the_other_as_it_was(tmp_path: Path) -> None:
    before = build(BASE)
    disturb(before)
    model = build(LATER, previous=save(before, tmp_path), losses=KD)
    plain = before.plain_weights()
    old, new = before.segmentor.state_dict(), model.segmentor.state_dict()
    for name, tensor in new.items():
        if '.branches.0.' in name:
            assert torch.equal(tensor, plain[name.replace('.branches.0', '')]), name
        elif '.branches.1.' in name:
            assert torch.equal(tensor, old[name]), name
    frozen = {name for name, p in model.segmentor.named_parameters() if not p.requires_grad}
    assert frozen == {name for name, _ in model.segmentor.named_parameters() if '.branches.0.' in name}
    teacher = build_teacher(model, 'cpu')
    assert not any(isinstance(m, ParallelConv) for m in teacher.segmentor.modules())
    inputs, samples = batch()
    expected = before.eval()(inputs, mode='tensor')
    torch.testing.assert_close(teacher(inputs).logits, expected, rtol=1e-4, atol=1e-4)
    model.set_teacher(teacher)
    losses = model.train().loss(inputs, samples)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all((p.grad is None) == (name in frozen) for name, p in model.segmentor.named_parameters())
    result = torch.optim.SGD(model.parameters(), 0.1)
    result.step()
    expected = model.eval()(inputs, mode='tensor')
    torch.testing.assert_close(plain_of(model)(inputs, mode='tensor'), expected, rtol=1e-4, atol=1e-4)


def test_a_model_with_branches_of_its_own_keeps_them_apart(tmp_path: Path) -> None:
    """HRNet calls its resolutions branches, too."""
    stages = {
        f'stage{number}': dict(
            num_modules=1,
            num_branches=number,
            block='BASIC',
            num_blocks=(1,) * number,
            num_channels=(4, 8, 16, 32)[:number],
        )
        for number in (2, 3, 4)
    }
    stages['stage1'] = dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(1,), num_channels=(4,))
    config = segmentor_config(3)
    config.pop('auxiliary_head')
    config['backbone'] = dict(type='HRNet', extra=stages, norm_cfg=dict(type='BN'))
    config['decode_head'].update(in_channels=32)
    before = build(BASE, config)
    disturb(before)
    assert any('.branches.1.0.conv1.branches.1.' in name for name in before.method_state()['auxiliary'])
    later = copy.deepcopy(config)
    later['decode_head'].num_classes = 5
    model = build(LATER, later, previous=save(before, tmp_path))
    plain, state = before.plain_weights(), model.segmentor.state_dict()
    for name, layer in model.segmentor.named_modules():
        if isinstance(layer, ParallelConv):
            assert torch.equal(state[f'{name}.branches.0.weight'], plain[f'{name}.weight']), name


def test_a_plain_base_step_becomes_both_branches(tmp_path: Path) -> None:
    before = build(BASE, structure=None)
    model = build(LATER, previous=save(before, tmp_path))
    inputs, _ = batch()
    expected = before.eval()(inputs, mode='tensor')
    torch.testing.assert_close(model.eval()(inputs, mode='tensor')[:, :3], expected, rtol=1e-4, atol=1e-5)


def test_names_of_pairs_and_patterns() -> None:
    model = build(BASE, structure=None)
    pairs = dict(conv_norm_pairs(model.segmentor))
    assert pairs['backbone.layer1.0.conv2'] == 'backbone.layer1.0.bn2'
    assert pairs['decode_head.convs.0.conv'] == 'decode_head.convs.0.bn'
    only = build(BASE, structure=dict(STRUCTURE, convolutions=['backbone.layer4.*']))
    names = [name for name, m in only.segmentor.named_modules() if isinstance(m, ParallelConv)]
    assert len(names) == 4 and all(name.startswith('backbone.layer4.') for name in names)


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            dict(convolutions=['backbone.stages.*']),
            r"method\.structure\.convolutions: 'backbone\.stages\.\*' fits no 3x3",
        ),
        (dict(convolutions='backbone.*'), 'must be a list'),
        (dict(alone=0.7), r'method\.structure\.alone.*0\.7'),
        (
            dict(convolutions={'backbone.*': 5}),
            r'fits no 5x5 convolution .*, in ResNetV1c and FCNHead; --cfg-options method\.structure=None',
        ),
        (
            dict(convolutions={'backbone.*': 3, 'decode_head.*': (5, 7)}),
            r'fits no 5x5 or 7x7 .*"method\.structure\.convolutions=\[backbone\.\*\]" doubles the rest',
        ),
    ],
)
def test_what_cannot_work_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(BASE, structure={**STRUCTURE, **changes})
