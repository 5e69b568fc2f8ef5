"""Asking for a statistic."""

from __future__ import annotations

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.models.labelers.statistic import statistic
from tests.models.labelers import samples


def test_returns_it_or_says_which_are_there() -> None:
    assert statistic(samples.batch(a=torch.ones(2)), 'a', None).tolist() == [1, 1]
    with pytest.raises(ConfigError, match=r"method.statistics: int needs 'b', found none"):
        statistic(samples.batch(), 'b', 1)
