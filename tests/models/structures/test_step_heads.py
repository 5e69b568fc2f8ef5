"""A head of its own for every step: learned, carried over, taught by, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from torch import Tensor, nn

import mmciss.register_all
from mmciss.engine.runner.export import plain_config
from mmciss.errors import ConfigError
from mmciss.models.classifiers.probe import find_growable
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.structures.step_heads import HeadsPerStep, StepHead
from mmciss.models.teacher import SharedTrunkTeacher, build_teacher, trunk_is_frozen
from tests.models.structures.finished import finish
from tests.models.tiny import BASE, LATER, batch, segmentor_config
from tests.models.tiny_heads import tiny_segmentor

HEADS = dict(type='StepHeads')
FROZEN = dict(
    patterns=['*'],
    trainable=['*.steps.new.*', '*.auxiliary.*', '*.background.*'],
    norm='eval_affine_frozen',
    dropout='eval',
)
CLASSIFIER = dict(auxiliary=1, detach_auxiliary=False)
DECISION = dict(type='UnknownToBackgroundDecision', plain_background='unknown')


def model_of(step: Any, previous: dict | None = None, config: Any = None, **options: Any) -> IncrementalSegmentor:
    torch.manual_seed(step.index)
    options = dict(classifier=CLASSIFIER, structure=HEADS) | options
    model = IncrementalSegmentor(config or segmentor_config(step.num_seen), step, previous=previous, **options)
    model.init_weights()
    return model.train()


@pytest.fixture
def base() -> IncrementalSegmentor:
    """A base model whose norms are not those of a new layer."""
    model = model_of(BASE, decision=DECISION)
    with torch.no_grad():
        for module in model.segmentor.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.weight.uniform_(0.5, 1.5)
    return model


@pytest.fixture
def previous(base: IncrementalSegmentor, tmp_path: Path) -> dict[str, str]:
    return finish(base, tmp_path)


def classifier_of(model: IncrementalSegmentor) -> HeadsPerStep:
    return model.segmentor.decode_head.conv_seg


def by_hand(head: StepHead, x: Tensor) -> Tensor:
    x = F.conv2d(x, head.conv.weight, padding=1)
    norm = head.norm
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return F.conv2d(x.clamp(min=0), head.weight, head.bias)


def test_each_group_has_layers_of_its_own(base: IncrementalSegmentor) -> None:
    layer = classifier_of(base.eval())
    assert [len(group.weight) for group in layer.groups] == [1, 2] and len(layer.auxiliary.weight) == 1
    x = torch.randn(2, 8, 5, 5)
    expected = torch.cat([by_hand(layer.background, x), by_hand(layer.steps[0], x)], 1)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.auxiliary_logits(x), by_hand(layer.auxiliary, x))


def test_without_a_background_there_is_no_head_for_it() -> None:
    step = type(BASE)(0, new=(1, 2, 3), old=(), sizes=(3,), names=('a', 'b', 'c'), background=False)
    layer = classifier_of(model_of(step))
    assert layer.background is None and len(layer.steps[0].weight) == 3


def test_base_step_trains_all_of_it(base: IncrementalSegmentor) -> None:
    inputs, samples = batch(channels=3)
    before = classifier_of(base).background.norm.running_mean.clone()
    base.loss(inputs, samples)['decode.loss_ce'].backward()
    parameters = {name: p for name, p in classifier_of(base).named_parameters() if 'auxiliary' not in name}
    assert all(p.grad.abs().sum() > 0 for name, p in parameters.items())
    assert not torch.equal(classifier_of(base).background.norm.running_mean, before)


def test_a_new_head_is_a_copy_of_the_unknown_one_with_its_norm(base: IncrementalSegmentor, previous: dict) -> None:
    later = model_of(LATER, previous, initializer=dict(type='UnknownInitializer'), freeze=FROZEN)
    new, unknown = classifier_of(later).steps[1].state_dict(), classifier_of(base).auxiliary.state_dict()
    for name, tensor in new.items():
        assert torch.equal(tensor, unknown[name].expand_as(tensor)), name
    assert len(new['weight']) == 2


def test_later_only_the_new_the_unknown_and_the_backgrounds_head_learn_and_no_norm(previous: dict) -> None:
    later = model_of(LATER, previous, freeze=FROZEN)
    found = {
        name.removeprefix('decode_head.conv_seg.')
        for name, p in later.segmentor.named_parameters()
        if p.requires_grad and not name.startswith('auxiliary_head')
    }
    assert found == {
        f'{part}.{leaf}'
        for part in ('steps.1', 'auxiliary', 'background')
        for leaf in ('weight', 'bias', 'conv.weight')
    }
    assert not any(norm.training for norm in classifier_of(later).modules() if isinstance(norm, nn.BatchNorm2d))


def test_norms_may_learn(previous: dict) -> None:
    later = model_of(LATER, previous, structure=dict(type='StepHeads', freeze_norms=False))
    assert classifier_of(later).steps[1].norm.weight.requires_grad and classifier_of(later).steps[1].norm.training


def test_old_logits_stay_and_the_true_background_is_restored(base: IncrementalSegmentor, previous: dict) -> None:
    later = model_of(LATER, previous).eval()
    inputs, _ = batch()
    torch.testing.assert_close(later(inputs, mode='tensor')[:, :3], base.eval()(inputs, mode='tensor'))


def test_the_teacher_has_the_heads_and_may_share_the_trunk(base: IncrementalSegmentor, previous: dict) -> None:
    losses = dict(kd=dict(type='UnbiasedDistillationLoss'))
    later = model_of(LATER, previous, losses=losses, freeze=FROZEN)
    assert trunk_is_frozen(later)
    inputs, samples = batch()
    expected = base.eval()(inputs, mode='tensor')
    found = []
    for share in (False, True):
        later.set_teacher(build_teacher(later, 'cpu', share_trunk=share))
        assert isinstance(later.teacher, SharedTrunkTeacher) == share
        torch.testing.assert_close(later.teacher(inputs).logits, expected)
        found.append(later.loss(inputs, samples))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value)


@pytest.mark.parametrize('decision', [None, DECISION])
def test_the_exported_model_loads_with_mmciss_and_has_the_same_logits(decision: dict | None, tmp_path: Path) -> None:
    model = model_of(BASE, decision=decision)
    with torch.no_grad():
        for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.running_mean.normal_(std=0.1)
    cfg = Config(dict(model=segmentor_config(3), test_pipeline=[dict(type='LoadImageFromFile')]))
    meta = dict(classes=list(BASE.names), palette=[[0, 0, 0]] * 3)
    config = plain_config(cfg, 3, meta, model)
    assert config.custom_imports.imports == ['mmciss.register_all']
    path = tmp_path / 'model_config.py'
    config.dump(path)
    paths = finish(model, tmp_path)
    loaded = init_model(str(path), paths['model'], device='cpu')
    assert isinstance(loaded.decode_head.conv_seg, HeadsPerStep)
    inputs, _ = batch()
    expected, found = model.eval()(inputs, mode='tensor'), loaded(inputs, mode='tensor')
    if decision is not None:  # the unknown class stands for the background
        layer = classifier_of(model)
        layer.background.load_state_dict(layer.auxiliary.state_dict())
        expected = model(inputs, mode='tensor')
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_it_is_not_extended_like_a_plain_model() -> None:
    head = dict(type='HeadWithHeadsPerStep', head=segmentor_config(3).decode_head, sizes=[3])
    with pytest.raises(ConfigError, match='cannot be extended.*structure=None'):
        find_growable(head)


def test_sizes_that_are_not_the_classes_are_refused() -> None:
    from mmseg.registry import MODELS

    head = segmentor_config(3).decode_head
    with pytest.raises(ConfigError, match=r'sizes: \[3, 1\] are 4 channels.*num_classes=3'):
        MODELS.build(dict(type='HeadWithHeadsPerStep', head=head, sizes=[3, 1]))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(losses=dict(dkd=dict(type='DecomposedDistillationLoss'))), 'losses.dkd.*structure=None'),
        (dict(initializer=dict(type='AttributionInitializer')), 'method.initializer.*structure=None'),
        (dict(structure=dict(type='StepHeads', channels=0)), 'structure.channels.*found 0'),
    ],
)
def test_what_needs_rows_over_one_embedding_is_refused(options: dict, message: str, previous: dict) -> None:
    with pytest.raises(ConfigError, match=message):
        model_of(LATER, previous, **options)


@pytest.mark.parametrize('name', ['IterativeDecodeHead', 'SegmenterMaskTransformerHead'])
def test_a_head_without_a_classifier_of_its_own_is_refused(name: str) -> None:
    init_default_scope('mmseg')  # K-Net's layers are found in it alone
    with pytest.raises(ConfigError, match=r'StepHeads replaces.*model.decode_head.*structure=None'):
        IncrementalSegmentor(tiny_segmentor(name, 3), BASE, structure=HEADS)


def test_the_last_head_of_a_cascade_has_them(tmp_path: Path) -> None:
    config = tiny_segmentor('OCRHead', 3)
    model = model_of(BASE, config=config)
    assert isinstance(model.segmentor.decode_head[1].conv_seg, HeadsPerStep)
    assert not isinstance(model.segmentor.decode_head[0].conv_seg, HeadsPerStep)
    exported = dict(decode_head=list(config.decode_head))
    model.structure.export_config(model.segmentor, exported)
    assert [head['type'] for head in exported['decode_head']] == ['FCNHead', 'HeadWithHeadsPerStep']


def test_weights_with_one_row_per_class_are_refused(tmp_path: Path) -> None:
    paths = finish(model_of(BASE, structure=None), tmp_path)
    with pytest.raises(ConfigError, match='previous step: .*one row per class.*structure=None'):
        model_of(LATER, paths)


def test_the_background_initializer_copies_its_head(base: IncrementalSegmentor, previous: dict) -> None:
    later = model_of(LATER, previous, initializer=dict(type='BackgroundInitializer'))
    layer = classifier_of(later)
    assert torch.equal(layer.steps[1].conv.weight, layer.background.conv.weight)
    assert torch.equal(layer.steps[1].bias, layer.background.bias.expand(2))
