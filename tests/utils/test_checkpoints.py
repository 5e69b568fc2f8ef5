"""Loading a module's own weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmciss.utils.checkpoints import load_own


class Dropping(nn.Linear):
    """Drops its bias while it loads, since it computes that itself."""

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        state_dict.pop(f'{prefix}bias')
        super()._load_from_state_dict(state_dict, prefix, *args)


def test_what_a_layer_drops_was_there() -> None:
    layer, other = nn.Sequential(Dropping(2, 2)), nn.Sequential(Dropping(2, 2))
    load_own(layer, other.state_dict())
    assert torch.equal(layer[0].weight, other[0].weight) and not torch.equal(layer[0].bias, other[0].bias)


def test_everything_must_be_there_and_nothing_else() -> None:
    weights = nn.Linear(2, 2).state_dict()
    for wrong in ({'weight': weights['weight']}, {**weights, 'more': weights['bias']}):
        with pytest.raises(ValueError, match='Linear: weights missing or unexpected: (bias|more)'):
            load_own(nn.Linear(2, 2), wrong)
