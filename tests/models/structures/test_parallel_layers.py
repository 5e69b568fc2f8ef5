"""Two branches and the layer that does the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmciss.models.structures.parallel_branches import ParallelConv, ParallelNorm, freeze_first, merge_layers


def layers(bias: bool = False, groups: int = 1) -> tuple[ParallelConv, ParallelNorm]:
    """Draws two branches that differ in everything."""
    torch.manual_seed(0)
    conv = ParallelConv(nn.Conv2d(4, 6 - 2 * (groups > 1), 3, padding=1, bias=bias, groups=groups))
    norm = ParallelNorm(nn.BatchNorm2d(conv.branches[0].out_channels))
    with torch.no_grad():
        for tensor in (*conv.state_dict().values(), *norm.state_dict().values()):
            if tensor.is_floating_point():
                tensor.normal_()
        for branch in norm.branches:
            branch.running_var.abs_().add_(0.1)
    return conv, norm


@pytest.mark.parametrize('options', [{}, {'bias': True}, {'groups': 2}], ids=str)
def test_merged_layers_give_the_average(options: dict) -> None:
    conv, norm = layers(**options)
    plain_conv, plain_norm = (nn.Sequential(part.branches[0])[0] for part in layers(**options))
    found = merge_layers(conv, norm)
    plain_conv.load_state_dict(found[0])
    plain_norm.load_state_dict(found[1])
    x = torch.randn(2, 4, 5, 5)
    expected = norm.eval()(conv(x))
    torch.testing.assert_close(plain_norm.eval()(plain_conv(x)), expected, rtol=1e-5, atol=1e-5)
    apart = sum(n(c(x)) for c, n in zip(conv.branches, norm.branches, strict=True)) / 2
    torch.testing.assert_close(expected, apart)


def test_equal_branches_merge_into_a_layer_with_the_true_statistics() -> None:
    conv, norm = layers()
    norm.branches[0].weight.data.abs_()
    for layer in (conv, norm):
        layer.branches[1].load_state_dict(layer.branches[0].state_dict())
    x = torch.randn(8, 4, 9, 9)
    for _ in range(200):  # running statistics become those of x
        norm.branches[0].train()(conv.branches[0](x))
    for layer in (conv, norm):
        layer.branches[1].load_state_dict(layer.branches[0].state_dict())
    plain = nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
    for layer, state in zip(plain, merge_layers(conv, norm), strict=True):
        layer.load_state_dict(state)
    with torch.no_grad():
        batch = plain[0](x)
    torch.testing.assert_close(batch.mean((0, 2, 3)), plain[1].running_mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(batch.var((0, 2, 3)), plain[1].running_var, rtol=1e-3, atol=1e-3)


def test_each_channel_takes_one_branch_or_the_average_while_training() -> None:
    torch.manual_seed(1)
    norm = ParallelNorm(nn.BatchNorm2d(3000))
    for index, branch in enumerate(norm.branches):
        nn.init.constant_(branch.weight, 0)
        nn.init.constant_(branch.bias, 2 * index + 1)
    zeros = torch.zeros(2, 3000, 1, 1)
    found = norm.train()((zeros, zeros))
    assert torch.equal(found[0], found[1]), 'one draw for all images'
    share = [(found[0] == value).float().mean().item() for value in (1, 3, 2)]
    assert share == pytest.approx([0.33, 0.33, 0.34], abs=0.03)
    assert not torch.equal(found, norm((zeros, zeros))), 'a new draw for each batch'
    assert torch.equal(norm.eval()((zeros, zeros)), torch.full_like(zeros, 2))


def test_plain_weights_load_into_both_branches() -> None:
    conv, norm = layers()
    plain = nn.Sequential(nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6))
    both = nn.Sequential(conv, norm)
    result = both.load_state_dict(plain.state_dict())
    assert not result.missing_keys and not result.unexpected_keys
    for layer, part in zip(both, plain, strict=True):
        for branch in layer.branches:
            for name, tensor in part.state_dict().items():
                assert torch.equal(branch.state_dict()[name], tensor)
    native = {name: tensor.clone() + 1 for name, tensor in both.state_dict().items()}
    both.load_state_dict(native)
    assert torch.equal(both[0].branches[1].weight, native['0.branches.1.weight'])


def test_frozen_branch_keeps_everything_in_train_mode() -> None:
    conv, norm = layers()
    freeze_first(conv, norm)
    both = nn.Sequential(conv, norm).train()
    before = {name: tensor.clone() for name, tensor in both.state_dict().items()}
    both(torch.randn(2, 4, 5, 5)).square().sum().backward()
    assert all(p.grad is None for layer in both for p in layer.branches[0].parameters())
    assert all(p.grad is not None for layer in both for p in layer.branches[1].parameters())
    for name, tensor in both.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == (name.startswith('1.branches.1.') and ('running' in name or 'num_' in name)), name
