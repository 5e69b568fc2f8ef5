"""What a runner sets before it builds a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mmengine.registry import DefaultScope
from mmseg.utils import register_all_modules


@pytest.fixture(autouse=True)
def default_scope() -> Iterator[None]:
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield
