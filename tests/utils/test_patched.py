from __future__ import annotations

import pytest
import torch
from torch import nn

from mmciss.utils.patched import patched


def test_only_the_object_changes_and_only_inside_the_block() -> None:
    layer, other = nn.ReLU(), nn.ReLU()
    x = -torch.ones(1)
    with patched(layer, 'forward', lambda x: x * 5):
        assert layer(x) == -5 and other(x) == 0
        with patched(layer, 'forward', lambda x: x * 7):
            assert layer(x) == -7
        assert layer(x) == -5, 'the outer block still holds'
    assert layer(x) == 0 and 'forward' not in vars(layer)


def test_an_error_inside_leaves_nothing_behind() -> None:
    layer = nn.ReLU()
    with pytest.raises(RuntimeError, match='stop'), patched(layer, 'forward', lambda x: x):
        raise RuntimeError('stop')
    assert 'forward' not in vars(layer)


def test_what_the_object_held_itself_comes_back() -> None:
    layer = nn.ReLU()
    own = layer.forward = lambda x: x + 1
    with patched(layer, 'forward', lambda x: x):
        pass
    assert layer.forward is own
