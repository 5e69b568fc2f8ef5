"""Growable layers, and the plain layers that they replace."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from mmciss.models.classifiers import GrowableConv1d, GrowableConv2d, GrowableLinear, grow_layer, growable_layers
from mmciss.models.classifiers.export import plain_state_dict

SIZES = st.lists(st.integers(0, 3), min_size=1, max_size=5).map(lambda tail: (2, *tail))


@given(SIZES, st.booleans())
@settings(max_examples=30, deadline=None)
def test_equals_one_convolution_and_native_and_plain_states_load(sizes: tuple[int, ...], bias: bool) -> None:
    layer = GrowableConv2d(4, sizes, bias=bias)
    plain = nn.Conv2d(4, sum(sizes), 1, bias=bias)
    plain.load_state_dict(plain_state_dict(layer))
    x = torch.randn(2, 4, 3, 3)
    assert torch.equal(layer(x), plain(x))
    for state in (layer.state_dict(), plain.state_dict()):
        other = GrowableConv2d(4, sizes, bias=bias)
        other.load_state_dict(state)
        assert torch.equal(other(x), plain(x))


def test_groups_are_addressed_by_step_and_steps_without_channels_keep_their_place() -> None:
    layer = GrowableConv2d(4, (3, 0, 2), auxiliary=1)
    assert [name for name, _ in layer.named_parameters()] == [
        'steps.0.weight',
        'steps.0.bias',
        'steps.2.weight',
        'steps.2.bias',
        'auxiliary.weight',
        'auxiliary.bias',
    ]
    assert (layer.in_channels, layer.out_channels, layer.kernel_size) == (4, 5, (1, 1))
    assert layer.weight.shape == (5, 4, 1, 1) and layer.bias.shape == (5,)
    assert list(layer.state_dict()) == [name for name, _ in layer.named_parameters()]


def test_state_dict_holds_the_parameters_themselves() -> None:
    layer = GrowableConv2d(2, (1, 1))
    layer.state_dict()['steps.1.bias'].fill_(5.0)
    assert layer.bias[1] == 5


def test_gradients_reach_each_group_in_float64() -> None:
    layer = GrowableConv2d(3, (2, 1), kernel_size=3, padding=1).double()
    x = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    parameters = list(layer.parameters())

    def run(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        names = [name for name, _ in layer.named_parameters()]
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *parameters))


def test_auxiliary_channels_are_not_in_the_output_and_may_train_the_embedding() -> None:
    layer = GrowableConv2d(4, (3,), auxiliary=1, detach_auxiliary=False)
    x = torch.randn(1, 4, 2, 2, requires_grad=True)
    assert layer(x).shape[1] == 3
    layer.auxiliary_logits(x).sum().backward()
    assert torch.equal(x.grad, layer.auxiliary.weight.detach().expand_as(x))
    assert GrowableConv2d(4, (3,)).auxiliary_logits(x) is None


def test_wrong_number_of_rows_is_an_error_that_shows_both() -> None:
    layer = GrowableConv2d(4, (3, 1))
    with pytest.raises(RuntimeError, match=r'5 rows.*4 channels.*\(3, 1\)'):
        layer.load_state_dict(nn.Conv2d(4, 5, 1).state_dict(), strict=False)
    with pytest.raises(RuntimeError, match='3 rows'):  # never silently the first rows only
        layer.load_state_dict(nn.Conv2d(4, 3, 1).state_dict(), strict=False)


def test_mmengine_loads_plain_weights_too_and_does_not_change_them() -> None:
    model, plain = nn.Sequential(GrowableConv2d(4, (2, 1))), nn.Sequential(nn.Conv2d(4, 3, 1))
    state = plain.state_dict()
    load_state_dict(model, state, strict=True)
    assert torch.equal(model[0].weight, plain[0].weight)
    assert list(state) == ['0.weight', '0.bias']


def test_copies_are_independent() -> None:
    layer = GrowableConv2d(2, (1, 1))
    other = copy.deepcopy(layer)
    nn.init.zeros_(other.steps[0].weight)
    assert layer.steps[0].weight.abs().sum() > 0


@pytest.mark.parametrize('sizes', [(), (0, 1), (2, -1)])
def test_impossible_sizes(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='sizes='):
        GrowableConv2d(2, sizes)


def test_growable_layers_by_name() -> None:
    model = nn.Sequential(nn.Sequential(GrowableConv2d(2, (1,))), nn.Conv2d(1, 1, 1))
    assert list(growable_layers(model)) == ['0.0']


LAYERS = {
    'conv1d': (GrowableConv1d(4, (3, 2), 3, padding=1), nn.Conv1d(4, 5, 3, padding=1), torch.randn(2, 4, 7)),
    'conv2d': (GrowableConv2d(4, (3, 2), 3, stride=2), nn.Conv2d(4, 5, 3, stride=2), torch.randn(2, 4, 7, 6)),
    'linear': (GrowableLinear(4, (3, 2)), nn.Linear(4, 5), torch.randn(2, 4)),
}


@pytest.mark.parametrize('grown, plain, inputs', LAYERS.values(), ids=LAYERS)
def test_equals_the_one_layer(grown: nn.Module, plain: nn.Module, inputs: Tensor) -> None:
    grown.load_state_dict(plain.state_dict())
    assert torch.equal(grown(inputs), plain(inputs))
    assert torch.equal(grown.steps[1].weight, plain.weight[3:]) and grown.out_channels == 5


@pytest.mark.parametrize('kind', [nn.Conv1d, nn.Conv2d, nn.Linear])
def test_grown_from_a_layer_of_the_same_kind(kind: type[nn.Module]) -> None:
    plain = kind(4, 3, 1) if kind is not nn.Linear else kind(4, 3)
    grown = grow_layer(plain, (3, 2))
    assert type(grown).__name__ == f'Growable{kind.__name__}' and torch.equal(grown.weight[:3], plain.weight)


def test_without_bias() -> None:
    layer = GrowableLinear(4, (3, 2), bias=False)
    assert layer.bias is None and layer(torch.zeros(1, 4)).shape == (1, 5)
    assert (layer.in_features, layer.out_features) == (4, 5)
