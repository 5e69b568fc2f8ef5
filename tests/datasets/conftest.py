"""Data sets are built as in a run: with MMSegmentation's registries as the default."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mmengine.registry import DefaultScope


@pytest.fixture(autouse=True)
def mmseg_scope() -> Iterator[None]:
    """Makes names in pipelines those of MMSegmentation."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield
