"""Stand-ins for compiled operations: what needs them can be imported, and fails only when it calls one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

NAME = 'mmcv._ext'
DECLARED: list[Any] = []
"""Libraries that :func:`declare_torchvision` made; they last as long as these objects."""


class Operations(types.ModuleType):
    """Has every operation by name, and can do none."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(f"mmcv's compiled operation {name} is not here")

        return missing


def offer() -> None:
    """Puts the stand-in where mmcv looks for its operations, unless it has them; to be called before any import."""
    if NAME not in sys.modules and importlib.util.find_spec(NAME) is None:
        sys.modules[NAME] = Operations(NAME)
        sys.modules[NAME].__spec__ = ModuleSpec(NAME, None)


def declare_torchvision() -> None:
    """Declares the operators without which a torchvision that was built for another torch cannot be imported."""
    command = [sys.executable, '-c', 'import torchvision']
    if importlib.util.find_spec('torchvision') is None or not subprocess.run(command, capture_output=True).returncode:
        return
    import torch

    library = torch.library.Library('torchvision', 'DEF')
    for name in ('nms', 'qnms'):
        library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    DECLARED.append(library)


def are_stand_ins() -> bool:
    """Whether mmcv's operations are the stand-in."""
    return isinstance(sys.modules.get(NAME), Operations)


def pytest_load_initial_conftests() -> None:
    """Offers the stand-in to a test run: ``python -m pytest -p tests.models.mmcv_operations ...``."""
    offer()
