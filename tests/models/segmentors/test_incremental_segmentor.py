"""The wrapper around a segmentor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.classifiers.export import plain_state_dict
from mmciss.models.labelers import Batch, Labeler, Labels
from mmciss.models.losses import ExtraLoss
from mmciss.models.outputs import SegOutput
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import build_teacher
from mmciss.registry import LABELERS
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER, batch, segmentor_config

CE = dict(type='CrossEntropyLoss')
KD = dict(kd=dict(type='UnbiasedDistillationLoss', loss_weight=10.0))


def base_model(**options: Any) -> IncrementalSegmentor:
    torch.manual_seed(0)
    return IncrementalSegmentor(segmentor_config(3), BASE, **options)


@pytest.fixture
def previous(tmp_path: Path) -> dict[str, str]:
    """Files of a finished base step."""
    model = base_model()
    model.init_weights()
    save_tensors(tmp_path / 'model.pth', {'state_dict': plain_state_dict(model.segmentor)})
    save_tensors(tmp_path / 'state.pth', model.method_state())
    return {'model': str(tmp_path / 'model.pth'), 'state': str(tmp_path / 'state.pth')}


def later_model(previous: dict, **options: Any) -> IncrementalSegmentor:
    torch.manual_seed(1)
    model = IncrementalSegmentor(segmentor_config(5), LATER, previous=previous, **options)
    model.init_weights()
    if model.needs_teacher:
        model.set_teacher(build_teacher(model, 'cpu'))
    return model


def test_base_step_computes_what_plain_mmsegmentation_computes() -> None:
    inputs, samples = batch(channels=3)
    torch.manual_seed(0)
    plain = MODELS.build(segmentor_config(3)).train()
    model = base_model().train()
    model.segmentor.load_state_dict(plain.state_dict())
    expected, found = plain.loss(inputs, samples), model.loss(inputs, samples)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_same_seed_gives_the_same_initial_weights_as_plain_mmsegmentation() -> None:
    torch.manual_seed(3)
    plain = MODELS.build(segmentor_config(3))
    plain.init_weights()
    torch.manual_seed(3)
    model = IncrementalSegmentor(segmentor_config(3), BASE)
    model.init_weights()
    for name, tensor in plain_state_dict(model.segmentor).items():
        assert torch.equal(tensor, plain.state_dict()[name]), name


def test_later_step_starts_from_the_step_before(previous: dict) -> None:
    model = later_model(previous)
    old = torch.load(previous['model'], weights_only=True)['state_dict']
    inputs, _ = batch()
    plain = MODELS.build(segmentor_config(3)).eval()
    plain.load_state_dict(old)
    logits = model.eval()(inputs, mode='tensor')
    assert logits.shape[1] == 5
    torch.testing.assert_close(logits[:, :3], plain(inputs, mode='tensor'))


def test_background_initializer_shares_the_background_out(previous: dict) -> None:
    model = later_model(previous, initializer=dict(type='BackgroundInitializer'), losses=KD).eval()
    inputs, _ = batch()
    old = model.teacher(inputs).logits.softmax(1)
    new = model(inputs, mode='tensor').softmax(1)
    torch.testing.assert_close(new[:, 0] + new[:, 3:].sum(1), old[:, 0])
    torch.testing.assert_close(new[:, 1:3], old[:, 1:3])


def test_teacher_is_in_no_module_tree(previous: dict) -> None:
    model = later_model(previous, losses=KD)
    assert model.teacher is not None
    assert not any('teacher' in name for name, _ in model.named_modules())
    assert not any('teacher' in name for name in model.state_dict())
    weights = {id(p) for p in model.parameters()}
    assert not any(id(p) in weights for p in model.teacher.segmentor.parameters())


def test_distillation_is_zero_gradient_free_for_the_teacher_and_logged_by_name(previous: dict) -> None:
    model = later_model(previous, losses=KD).train()
    inputs, samples = batch()
    losses = model.loss(inputs, samples)
    assert 'loss_kd' in losses and losses['loss_kd'].requires_grad
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(p.grad is None for p in model.teacher.segmentor.parameters())
    assert all(p.grad is not None for p in model.segmentor.decode_head.parameters())


def test_every_module_that_asks_learns_the_step(previous: dict) -> None:
    loss = dict(type='UnbiasedCrossEntropyLoss')
    model = IncrementalSegmentor(segmentor_config(5, loss), LATER, previous=previous)
    for head in (model.segmentor.decode_head, model.segmentor.auxiliary_head):
        assert head.loss_decode.num_old == 3


@LABELERS.register_module()
class EverythingIsClassFour(Labeler):
    """Relabels all pixels and weights the first image by 0."""

    needs = ('logits',)

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        weights = torch.tensor([0.0, 1.0]).view(2, 1, 1)
        return Labels(torch.full_like(batch.target, 4), weights)


def test_labeler_changes_labels_and_weights_of_all_heads_but_not_the_batch(previous: dict) -> None:
    model = later_model(previous, labeler=dict(type='EverythingIsClassFour')).train()
    inputs, samples = batch()
    kept = samples[0].gt_sem_seg.data.clone()
    losses = model.loss(inputs, samples)
    assert torch.equal(samples[0].gt_sem_seg.data, kept)
    for head, prefix, weight in (
        (model.segmentor.decode_head, 'decode', 1.0),
        (model.segmentor.auxiliary_head, 'aux', 0.4),
    ):
        with torch.no_grad():
            logits = head(model.segmentor.extract_feat(inputs))
            full = nn.functional.interpolate(logits, (32, 32), mode='bilinear')
            target = torch.full((2, 32, 32), 4)
            each = nn.functional.cross_entropy(full, target, reduction='none')
        torch.testing.assert_close(losses[f'{prefix}.loss_ce'], weight * each[1].sum() / each.numel())


@MODELS.register_module()
class MeanLabel(ExtraLoss):
    """Shows which labels a loss sees."""

    needs = ('logits',)

    def __init__(self, given: bool) -> None:
        super().__init__()
        self.given_labels = given

    def forward(self, student: SegOutput, teacher: Any, target: torch.Tensor, context: StepContext) -> torch.Tensor:
        return target.double().mean()


def test_a_loss_sees_completed_labels_unless_it_asks_for_those_given(previous: dict) -> None:
    each = {name: dict(type='MeanLabel', given=name == 'given') for name in ('given', 'completed')}
    model = later_model(previous, labeler=dict(type='EverythingIsClassFour'), losses=each).train()
    inputs, samples = batch()
    losses = model.loss(inputs, samples)
    given = torch.stack([sample.gt_sem_seg.data for sample in samples]).double().mean()
    assert losses['loss_given'] == given != 4 and losses['loss_completed'] == 4


def test_frozen_parts_stay_frozen_in_train_mode(previous: dict) -> None:
    model = later_model(previous, freeze=dict(patterns=['backbone.*'], norm='eval')).train()
    assert not any(p.requires_grad for p in model.segmentor.backbone.parameters())
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert model.segmentor.decode_head.training


def test_a_checkpoint_of_other_classes_or_architecture_is_refused(previous: dict) -> None:
    torch.manual_seed(0)
    other = build_grown_segmentor(segmentor_config(4), (4,))
    save_tensors(previous['model'], {'state_dict': plain_state_dict(other)})
    with pytest.raises(ConfigError, match=r'model.pth.*(4 rows|4 channels)'):
        later_model(previous)
    weights = {
        name: tensor for name, tensor in plain_state_dict(base_model().segmentor).items() if 'layer3' not in name
    }
    save_tensors(previous['model'], {'state_dict': weights})
    with pytest.raises(ConfigError, match='model.pth does not fit.*missing in the checkpoint, such as backbone.layer3'):
        later_model(previous)
    weights = plain_state_dict(base_model().segmentor)
    weights['backbone.layer1.0.conv1.weight'] = torch.zeros(1, 2, 3, 3)
    save_tensors(previous['model'], {'state_dict': weights})
    shapes = r'1 of another shape: backbone.layer1.0.conv1.weight is \(1, 2, 3, 3\) in the checkpoint and \(.*\) in'
    with pytest.raises(ConfigError, match=f'previous step: .*model.pth does not fit the model .*: {shapes}'):
        later_model(previous)


def test_base_step_can_start_from_a_plain_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(7)
    plain = MODELS.build(segmentor_config(3))
    torch.save({'state_dict': plain.state_dict()}, tmp_path / 'plain.pth')
    model = base_model(checkpoint=str(tmp_path / 'plain.pth'))
    model.init_weights()
    for name, tensor in plain_state_dict(model.segmentor).items():
        assert torch.equal(tensor, plain.state_dict()[name]), name


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(losses=[KD]), 'method.losses: must be a dictionary of named configs'),
        (dict(losses=KD), 'method.losses.kd needs a teacher, which the base step does not have'),
    ],
)
def test_wrong_slots_are_refused_when_the_model_is_built(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        base_model(**options)


def test_a_layer_that_does_not_exist_is_refused_when_the_model_is_built(previous: dict) -> None:
    losses = dict(features=dict(type='FeatureDistillationLoss', layer='backbone.layer9', loss_weight=1.0))
    with pytest.raises(ConfigError, match=r'method.losses.features.layers.*backbone.layer9'):
        IncrementalSegmentor(segmentor_config(5), LATER, previous=previous, losses=losses)


def test_decision_changes_the_prediction_only(previous: dict) -> None:
    model = later_model(previous, decision=dict(type='SigmoidThresholdDecision', threshold=0.5)).eval()
    inputs, samples = batch()
    with torch.no_grad():
        results = model.predict(inputs, samples)
        logits = nn.functional.interpolate(model(inputs, mode='tensor'), (32, 32), mode='bilinear')
    best, channel = logits[:, 1:].max(1)
    expected = torch.where(best > 0, channel + 1, 0)
    for result, want in zip(results, expected, strict=True):
        assert torch.equal(result.pred_sem_seg.data[0], want)
    assert 'postprocess_result' not in model.segmentor.__dict__


def test_channels_last_reaches_student_and_teacher_and_changes_no_loss(previous: dict) -> None:
    found, layouts = [], []
    for channels_last in (False, True):
        model = later_model(previous, losses=KD, channels_last=channels_last).train()
        for network in (model.segmentor, model.teacher.segmentor):
            network.backbone.register_forward_hook(
                lambda module, args, maps: layouts.append(maps[-1].is_contiguous(memory_format=torch.channels_last))
            )
        losses = model(*batch(), mode='loss')
        found.append({name: value.item() for name, value in losses.items()})
    assert layouts == [False, False, True, True]
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_compiled_backbones_change_no_loss_and_no_weight_name(previous: dict) -> None:
    plain, compiled = (
        later_model(previous, losses=KD, compiling=value).train() for value in (None, {'backend': 'eager'})
    )
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    for model in (compiled.segmentor, compiled.teacher.segmentor):
        assert model.backbone._compiled_call_impl is not None
    found = [model.loss(*batch()) for model in (plain, compiled)]
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value)


@pytest.mark.parametrize('layer', ['backbone', 'stages', 'backbone:input'])
def test_maps_inside_a_compiled_backbone_cannot_be_read(previous: dict, layer: str) -> None:
    losses = dict(features=dict(type='FeatureDistillationLoss', layer=layer))
    with pytest.raises(ConfigError, match=f"compile: the method reads '{layer}' inside the backbone"):
        later_model(previous, losses=losses, compiling={})
