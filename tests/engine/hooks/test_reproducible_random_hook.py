"""Random numbers depend on the iteration alone."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmciss.engine.hooks.reproducible_random_hook import ReproducibleRandomHook


def draw(seed: int, iteration: int, rank: int = 0) -> tuple:
    runner = SimpleNamespace(seed=seed, iter=iteration, rank=rank)
    ReproducibleRandomHook().before_train_iter(runner, iteration)
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_same_place_same_numbers_whatever_came_before() -> None:
    first = draw(5, 17)
    torch.rand(1000)
    np.random.rand(1000)
    assert draw(5, 17) == first


@given(
    st.tuples(st.integers(0, 99), st.integers(0, 9999), st.integers(0, 63)),
    st.tuples(st.integers(0, 99), st.integers(0, 9999), st.integers(0, 63)),
)
def test_different_places_different_numbers(first: tuple, second: tuple) -> None:
    if first != second:
        assert ReproducibleRandomHook.seed_of(*first) != ReproducibleRandomHook.seed_of(*second)
