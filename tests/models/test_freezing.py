from __future__ import annotations

import pytest
import torch
from mmcv.cnn.bricks.drop import DropPath
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers import GrowableConv2d
from mmciss.models.freezing import apply_modes, drops, freeze


def network() -> nn.Module:
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4))
    net.head = nn.Sequential(nn.Conv2d(4, 4, 1), nn.SyncBatchNorm(4), nn.Dropout2d(0.5))
    net.conv_seg = GrowableConv2d(4, (3, 1, 2), auxiliary=1)
    return net


def trainable(net: nn.Module) -> set[str]:
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


def test_patterns_freeze_and_are_returned() -> None:
    net = network()
    everything = trainable(net)
    frozen = freeze(net, ['backbone.*'])
    assert frozen == [f'backbone.{i}.{leaf}' for i in range(3) for leaf in ('weight', 'bias')]
    assert trainable(net) == everything - set(frozen)


def test_trainable_is_kept_out() -> None:
    net = network()
    freeze(net, ['*'], trainable=['*.steps.new.*', '*.auxiliary.*'])
    assert trainable(net) == {
        f'conv_seg.{group}.{leaf}' for group in ('steps.2', 'auxiliary') for leaf in ('weight', 'bias')
    }


def test_old_groups_by_age_and_by_number() -> None:
    assert freeze(network(), ['*.steps.old.weight']) == ['conv_seg.steps.0.weight', 'conv_seg.steps.1.weight']
    assert freeze(network(), ['conv_seg.steps.1.*']) == ['conv_seg.steps.1.weight', 'conv_seg.steps.1.bias']


def test_old_groups_where_nothing_is_old() -> None:
    """A step of new domains adds no class; a misspelt layer is still an error there."""
    net = network()
    net.conv_seg = GrowableConv2d(4, (3, 0))
    assert freeze(net, ['*.steps.old.*']) == []
    with pytest.raises(ConfigError, match='decode_head.steps.old'):
        freeze(net, ['decode_head.steps.old.*'])


def test_frozen_parameters_get_no_gradient() -> None:
    net = network()
    freeze(net, ['*.steps.old.*'])
    net.conv_seg(torch.ones(1, 4, 2, 2)).sum().backward()
    assert net.conv_seg.steps[0].weight.grad is None
    assert net.conv_seg.steps[2].weight.grad is not None


@pytest.mark.parametrize('norm', ['eval', 'eval_affine_frozen'])
def test_norm_stays_in_evaluation_mode_through_train(norm: str) -> None:
    net = network()
    freeze(net, norm=norm)
    net.train()
    apply_modes(net, norm=norm)
    before = net.backbone[1].running_mean.clone()
    net.backbone(torch.randn(2, 3, 4, 4))
    assert torch.equal(net.backbone[1].running_mean, before)
    assert not net.head[1].training and net.backbone[0].training and net.training
    assert net.backbone[1].weight.requires_grad == (norm == 'eval')
    assert net.backbone[2].weight.requires_grad  # GroupNorm has no statistics to protect


def test_norm_policy_by_pattern_first_that_fits() -> None:
    net = network()
    frozen = freeze(net, norm={'backbone.*': 'eval_affine_frozen', '*': 'train'})
    assert frozen == ['backbone.1.weight', 'backbone.1.bias']
    assert not net.backbone[1].training and net.head[1].training


def test_dropout() -> None:
    net = network()
    freeze(net, dropout='eval')
    assert not net.head[2].training and net.head[1].training
    net.train()
    assert net.head[2].training
    apply_modes(net, dropout='eval')
    assert not net.head[2].training


@pytest.mark.parametrize('layer, rate', [(nn.Dropout2d, 0.1), (DropPath, 0.1), (nn.Dropout, 0.0), (DropPath, 0.0)])
def test_dropout_at_a_rate_of_zero_drops_nothing(layer: type[nn.Module], rate: float) -> None:
    assert drops(layer(rate)) == (rate > 0)


def test_nothing_asked_nothing_done() -> None:
    net = network()
    everything = trainable(net)
    assert freeze(net) == [] and trainable(net) == everything


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(patterns=['backbon.*']), r"patterns.*'backbon\.\*'.*backbone\."),
        (dict(trainable=['nothing']), r'trainable'),
        (dict(patterns='backbone.*'), r'list of patterns'),
        (dict(norm='frozen'), r"norm.*'frozen'.*eval_affine_frozen"),
        (dict(norm={'neck.*': 'eval'}), r"norm.*'neck\.\*'"),
        (dict(dropout='off'), r"dropout.*'off'.*eval, train"),
    ],
)
def test_errors_name_key_value_and_what_is_allowed(arguments: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=rf'method\.freeze\.{words}|method\.freeze.*{words}'):
        freeze(network(), **arguments)


def test_running_statistics_of_a_part_move_by_its_momentum() -> None:
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), nn.BatchNorm2d(2), nn.GroupNorm(1, 2))
    freeze(net, norm_momentum={'0.*': 0.25, '2': 0.5})
    net.train()(torch.full((2, 1, 2, 2), 3.0))
    mean = net[0][0](torch.full((1, 1, 1, 1), 3.0)).flatten()
    torch.testing.assert_close(net[0][1].running_mean, 0.25 * mean)
    assert net[1].momentum == 0.1


@pytest.mark.parametrize(
    ('momentum', 'message'),
    [
        (0.1, 'norm_momentum must be a dictionary'),
        ({'*': 1.5}, r"norm_momentum\['\*'\] must lie between 0 and 1, found 1.5"),
        ({'body.*': 0.1}, r"norm_momentum: the pattern 'body\.\*' fits nothing"),
    ],
)
def test_a_momentum_that_cannot_be_set_is_refused(momentum: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        freeze(nn.Sequential(nn.BatchNorm2d(2)), norm_momentum=momentum)
