"""Tests of the merge of two branches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmciss.functional import ConvNorm, merge_parallel_branches


def branch(seed: int, bias: bool) -> tuple[nn.Sequential, ConvNorm]:
    torch.manual_seed(seed)
    conv, norm = nn.Conv2d(4, 6, 3, padding=2, dilation=2, bias=bias), nn.BatchNorm2d(6)
    for tensor, low in ((norm.weight, 0.5), (norm.bias, -1.0), (norm.running_mean, -1.0), (norm.running_var, 0.3)):
        nn.init.uniform_(tensor, low, 2.0)
    module = nn.Sequential(conv, norm).double().eval()
    return module, ConvNorm(
        conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps, conv.bias
    )


@pytest.mark.parametrize('bias', [True, False])
def test_equals_the_average_of_the_branches(bias: bool) -> None:
    first, second = branch(1, bias), branch(2, False)
    merged = nn.Conv2d(4, 6, 3, padding=2, dilation=2).double()
    kernel, shift = merge_parallel_branches(first[1], second[1])
    merged.load_state_dict(dict(weight=kernel, bias=shift))
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(merged(x), (first[0](x) + second[0](x)) / 2)


def test_kernels_of_different_size() -> None:
    _, first = branch(1, False)
    with pytest.raises(ValueError, match='cannot be merged'):
        merge_parallel_branches(first, first._replace(kernel=first.kernel[..., :1]))
