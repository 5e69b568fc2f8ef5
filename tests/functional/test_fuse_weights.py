"""Tests of the fusion of two models."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import balance_factor, fuse_weights


def test_fusion() -> None:
    old = {'a': torch.tensor([0.0, 4.0]), 'head': torch.tensor([[1.0], [1.0]]), 'n': torch.tensor(3)}
    new = {
        'b': torch.tensor([9.0]),
        'a': torch.tensor([8.0, 8.0]),
        'n': torch.tensor(7),
        'head': torch.tensor([[5.0], [5.0], [6.0]]),
    }
    fused = fuse_weights(old, new, 0.25)
    assert list(fused) == list(new)
    assert fused['a'].tolist() == [6, 7] and fused['head'].flatten().tolist() == [4, 4, 6]
    assert fused['n'] == 7 and fused['b'] == 9
    assert new['a'].tolist() == [8, 8] and old['a'].tolist() == [0, 4]


@pytest.mark.parametrize('alpha, which', [(0.0, 'new'), (1.0, 'old')])
def test_endpoints(alpha: float, which: str) -> None:
    models = {'old': {'w': torch.randn(3)}, 'new': {'w': torch.randn(3)}}
    fused = fuse_weights(models['old'], models['new'], alpha)
    torch.testing.assert_close(fused['w'], models[which]['w'])
    assert fused['w'].data_ptr() != models[which]['w'].data_ptr()


@pytest.mark.parametrize(
    'num_old, num_seen, expected', [(16, 17, 0.757), (20, 21, 0.782), (16, 21, 0.512), (101, 151, 0.425)]
)
def test_balance_factor_is_the_release_s(num_old: int, num_seen: int, expected: float) -> None:
    """VOC 15-1, 19-1, 15-5 and ADE20K 100-50, first later step: weight of the old model, background counted."""
    assert balance_factor(num_old, num_seen) == pytest.approx(expected, abs=5e-4)


def test_power_of_the_balance_factor() -> None:
    assert balance_factor(16, 20, power=1) == pytest.approx(0.8)
    assert balance_factor(0, 16) == 0 and balance_factor(3, 3) == 1 and balance_factor(3, 4, power=0) == 0
    with pytest.raises(ValueError, match='num_old = 5'):
        balance_factor(5, 4)
    with pytest.raises(ValueError, match='power = -1'):
        balance_factor(3, 4, power=-1)


@pytest.mark.parametrize('shape', [(4, 2), (2, 3)])
def test_shapes_that_do_not_grow(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match='w: old shape'):
        fuse_weights({'w': torch.zeros(shape)}, {'w': torch.zeros(3, 2)}, 0.5)
    with pytest.raises(ValueError, match='alpha'):
        fuse_weights({}, {}, 1.5)
