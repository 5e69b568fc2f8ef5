"""Tests of the choice of floating-point type."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import at_least_float32


@pytest.mark.parametrize(
    'dtype, expected',
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_is_widened(dtype: torch.dtype, expected: torch.dtype) -> None:
    assert at_least_float32(torch.zeros(1, dtype=dtype)).dtype == expected
