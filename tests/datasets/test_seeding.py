"""Random numbers that depend only on the position in the sampling stream."""

from __future__ import annotations

import random
import time
import timeit

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmciss.datasets.seeding import mix, seeded


def numbers() -> tuple[float, float, float, float]:
    return (random.random(), np.random.rand(), np.random.randn(), float(torch.rand(1)))


@given(st.integers(0, 2**62), st.integers(0, 10**9))
def test_a_function_of_seed_and_draw(seed: int, draw: int) -> None:
    with seeded(seed, draw):
        first = numbers()
    numbers()
    with seeded(seed, draw):
        assert numbers() == first
    with seeded(seed, draw + 1):
        assert not set(numbers()) & set(first)


def test_outer_generators_go_on_undisturbed() -> None:
    def outer(disturb: bool) -> list[float]:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        values = [random.random(), np.random.rand(), float(torch.rand(1))]
        if disturb:
            with seeded(0, 5):
                numbers()
        return [*values, random.random(), np.random.rand(), float(torch.rand(1))]

    assert outer(True) == outer(False)


def test_restores_after_an_error() -> None:
    generator = np.random.get_bit_generator()
    with pytest.raises(KeyError), seeded(0, 0):
        raise KeyError
    assert np.random.get_bit_generator() is generator


def test_cheap() -> None:
    def once() -> None:
        with seeded(1, 2):
            pass

    # 0.03 ms on an idle core; the bound leaves room for a busy machine.
    assert min(timeit.repeat(once, timer=time.thread_time, number=100, repeat=10)) / 100 < 2e-4


def test_mix_is_fixed_and_depends_on_order() -> None:
    # The first output of SplitMix64 for seed 0 is 0xE220A8397B1DCDAF (Steele et al., OOPSLA 2014).
    assert mix(0) == 0xE220A8397B1DCDAF >> 1
    assert len({mix(a, b) for a in range(50) for b in range(50)}) == 2500
    assert all(0 <= mix(a) < 2**63 for a in range(1000))
