"""From logits to classes, in mmciss and in the exported model."""

from __future__ import annotations

import copy

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.decisions import ArgmaxDecision, SigmoidThresholdDecision, UnknownToBackgroundDecision
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from tests.models.tiny import BASE, batch, segmentor_config


def logits(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def test_argmax_leaves_the_logits() -> None:
    scores = logits(1.0, 2.0)
    assert ArgmaxDecision()(scores) is scores


@pytest.mark.parametrize(
    ('values', 'threshold', 'channel'),
    [
        ((9.0, -1.0, -2.0), 0.5, 0),
        ((-9.0, -1.0, -2.0), 0.5, 0),
        ((9.0, 0.1, -2.0), 0.5, 1),
        ((9.0, 0.1, 0.2), 0.5, 2),
        ((9.0, 1.0, -2.0), 0.8, 0),
        ((-9.0, 1.5, 1.4), 0.8, 1),
    ],
)
def test_sigmoid_threshold(values: tuple, threshold: float, channel: int) -> None:
    scores = logits(*values)
    kept = scores.clone()
    assert SigmoidThresholdDecision(threshold)(scores).argmax(1).item() == channel
    assert torch.equal(scores, kept), 'the input is not changed'


def test_the_exported_background_row_is_the_threshold() -> None:
    rows = {'weight': torch.randn(3, 4, 1, 1), 'bias': torch.randn(3)}
    kept = copy.deepcopy(rows)
    weight = rows['weight']
    SigmoidThresholdDecision(0.8).export(rows, None)
    assert not rows['weight'][0].any() and rows['bias'][0] == pytest.approx(1.3862944)
    assert torch.equal(rows['weight'][1:], kept['weight'][1:])
    assert torch.equal(weight, kept['weight']), 'the model that trains keeps its rows'
    with pytest.raises(ConfigError, match=r'method.decision.threshold: .* a bias'):
        SigmoidThresholdDecision(0.8).export({'weight': weight}, None)
    SigmoidThresholdDecision(0.5).export({'weight': weight}, None)


@pytest.mark.parametrize('threshold', [0, 1, 1.5])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ConfigError, match=f'threshold must lie between 0 and 1, found {threshold}'):
        SigmoidThresholdDecision(threshold)


def test_probability_of_the_unknown_goes_to_the_background() -> None:
    decision = UnknownToBackgroundDecision()
    scores = logits(-1.0, 0.5, 0.0)
    assert decision(scores, logits(-9.0)).argmax(1).item() == 1
    # sg(-1) + sg(0.5) = 0.27 + 0.62 > sg(0.5)
    assert decision(scores, logits(0.5)).argmax(1).item() == 0
    golden = [0.2689414 + 0.6224593, 0.6224593, 0.5]
    torch.testing.assert_close(decision(scores, logits(0.5)).flatten(), torch.tensor(golden))
    with pytest.raises(ConfigError, match=r'needs the unknown channel: set method.classifier'):
        decision(scores)
    with pytest.raises(ConfigError, match=r"plain_background.*'both'"):
        UnknownToBackgroundDecision('both')


def test_the_row_that_stands_for_the_background_in_the_export() -> None:
    auxiliary = nn.Conv2d(4, 1, 1)
    rows = {'weight': torch.randn(3, 4, 1, 1), 'bias': torch.randn(3)}
    kept = copy.deepcopy(rows)
    UnknownToBackgroundDecision().export(rows, auxiliary)
    assert all(torch.equal(rows[key], kept[key]) for key in rows)
    UnknownToBackgroundDecision('unknown').export(rows, auxiliary)
    assert torch.equal(rows['weight'][0], auxiliary.weight[0])
    assert torch.equal(rows['bias'][:1], auxiliary.bias)
    assert torch.equal(rows['weight'][1:], kept['weight'][1:])


def model(decision: dict, auxiliary: int = 0) -> IncrementalSegmentor:
    torch.manual_seed(0)
    built = IncrementalSegmentor(segmentor_config(3), BASE, decision=decision, classifier=dict(auxiliary=auxiliary))
    built.init_weights()
    with torch.no_grad():
        for parameter in built.segmentor.decode_head.conv_seg.parameters():
            parameter.normal_()
    return built.eval()


@pytest.mark.parametrize('threshold', [0.5, 0.6])
def test_plain_mmsegmentation_decides_as_the_threshold_does(threshold: float) -> None:
    ours = model(dict(type='SigmoidThresholdDecision', threshold=threshold))
    plain = MODELS.build(segmentor_config(3)).eval()
    plain.load_state_dict(ours.plain_weights())
    inputs, samples = batch(channels=3)
    with torch.no_grad():
        mine, theirs = ours.predict(inputs, samples), plain.predict(inputs, copy.deepcopy(samples))
    decided = [item.pred_sem_seg.data for item in mine]
    assert len(torch.stack(decided).unique()) > 1
    # A threshold is crossed on one side and a maximum taken on the other: a pixel on the edge may fall either way.
    differ = torch.stack(decided) != torch.stack([item.pred_sem_seg.data for item in theirs])
    assert differ.float().mean() < 1e-3


@pytest.mark.parametrize('mode', [dict(mode='whole'), dict(mode='slide', crop_size=(24, 24), stride=(16, 16))])
def test_unknown_goes_to_the_background_in_predictions_whole_and_sliding(mode: dict) -> None:
    ours = model(dict(type='UnknownToBackgroundDecision'), auxiliary=1)
    ours.segmentor.test_cfg.update(mode)
    inputs, samples = batch(channels=3)
    with torch.no_grad():
        classifier = ours.segmentor.decode_head.conv_seg
        classifier.auxiliary.bias.fill_(2.0)  # probable enough to matter, whatever was drawn
        decided = ours.predict(inputs, copy.deepcopy(samples))
        kept = classifier.auxiliary.bias.clone()
        classifier.auxiliary.bias.fill_(-1e4)
        without = ours.predict(inputs, copy.deepcopy(samples))
        classifier.auxiliary.bias.fill_(1e4)
        everywhere = ours.predict(inputs, copy.deepcopy(samples))
        classifier.auxiliary.bias.copy_(kept)
    pairs = [(a.pred_sem_seg.data, b.pred_sem_seg.data) for a, b in zip(decided, without, strict=True)]
    assert any(not torch.equal(a, b) for a, b in pairs)
    assert all(torch.equal(a[a > 0], b[a > 0]) for a, b in pairs), 'only towards the background'
    assert all(not item.pred_sem_seg.data.any() for item in everywhere)
    assert ours.segmentor.out_channels == 3 and 'forward' not in vars(classifier)


def test_rows_that_the_export_replaces_are_kept_for_the_next_step() -> None:
    ours = model(dict(type='UnknownToBackgroundDecision', plain_background='unknown'), auxiliary=1)
    classifier = ours.segmentor.decode_head.conv_seg
    plain = ours.plain_weights()
    assert torch.equal(plain['decode_head.conv_seg.weight'][0], classifier.auxiliary.weight[0])
    state = ours.method_state()['auxiliary']
    assert torch.equal(state['decode_head.conv_seg.steps.0.weight'], classifier.steps[0].weight)
    assert 'decode_head.conv_seg.auxiliary.bias' in state
    other = model(dict(type='SigmoidThresholdDecision'), auxiliary=1)
    assert set(other.method_state()['auxiliary']) == {
        'decode_head.conv_seg.auxiliary.weight',
        'decode_head.conv_seg.auxiliary.bias',
    }
