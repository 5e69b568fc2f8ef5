"""Where tests find the repository and the optional test data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_data() -> Path:
    """Returns the folder of real test data, or skips the test that asks.

    The folder is ``$MMCISS_TEST_DATA`` or ``shared/data`` beside the checkout.
    """
    folder = Path(os.environ.get('MMCISS_TEST_DATA', ROOT.parent / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip(f'real test data not found: {folder} (set MMCISS_TEST_DATA to its folder)')
    return folder
