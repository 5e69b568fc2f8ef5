"""Tests of log-sum-exps over old and new channels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import upsampled_blocks
from mmciss.functional.split_logsumexp import split_logsumexp


@pytest.mark.parametrize('num_old', [0, 1, 3, 4])
@pytest.mark.parametrize('size', [(6, 5), (2, 3)], ids=str)
def test_against_logsumexp(num_old: int, size: tuple[int, int], monkeypatch) -> None:
    monkeypatch.setitem(upsampled_blocks.BLOCK_ELEMENTS, 'cpu', 40)
    z = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    label = torch.randint(0, 4, (2, 6, 5))
    full = F.interpolate(z, (6, 5), mode='bilinear')
    expected = (full[:, :num_old].logsumexp(1), full[:, num_old:].logsumexp(1), full.gather(1, label[:, None])[:, 0])
    found = split_logsumexp(z, label, num_old)
    upstream = torch.randn(3, 2, 6, 5, dtype=torch.float64)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b)
    weighted = [
        sum((u * x).masked_fill(x.isinf(), 0).sum() for u, x in zip(upstream, maps)) for maps in (found, expected)
    ]
    gradients = [torch.autograd.grad(x, z)[0] for x in weighted]
    torch.testing.assert_close(*gradients)
