"""Workarounds for the environment, in one place, each with its reason."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import pickle
import sys
import time
import types
from collections.abc import Iterator


MMDET = (
    'needs MMDetection and an mmcv with compiled operations: pip install "mmciss[mask2former]" && pip install '
    '--no-build-isolation --no-binary onedl-mmcv --no-cache-dir --force-reinstall --no-deps onedl-mmcv'
)
"""What is missing where ``mmdet.models`` cannot be imported, for messages. By default pip builds mmcv without torch in
sight, and so without its operations."""


def set_thread_defaults() -> None:
    """Keeps OpenMP threads from spinning; call before torch is imported.

    A spinning thread pool makes two processes on the same cores up to ten times slower than one after the other.
    """
    os.environ.setdefault('GOMP_SPINCOUNT', '0')


def import_quietly() -> None:
    """Imports MMSegmentation's data sets without the notice about a package that they only look for.

    ``mmseg.datasets`` prints that it found no 'OneDL' package, with plain ``print``, so no log level silences it.
    """
    import_yapf()
    with contextlib.redirect_stdout(io.StringIO()):
        ensure_mmpretrain()
        import mmseg.datasets  # noqa: F401


def import_yapf(tries: int = 50, pause: float = 0.1) -> None:
    """Imports yapf, with which mmengine prints configs, although another process may be writing its cache.

    The first import in a new environment writes a pickled grammar into the home folder; a process of the same job that
    reads it in that moment finds half a file and would die.

    Args:
        tries: How often it is tried.
        pause: Seconds between two tries.

    Raises:
        EOFError: If the file stays incomplete, or ``UnpicklingError``.
    """
    for left in reversed(range(tries)):
        try:
            importlib.import_module('yapf.yapflib.yapf_api')
            return
        except (EOFError, pickle.UnpicklingError):
            if not left:
                raise
            time.sleep(pause)


@contextlib.contextmanager
def _stub_torchvision() -> Iterator[None]:
    """Offers empty torchvision modules for the time of an import."""
    names = ('torchvision', 'torchvision.ops', 'torchvision.ops.boxes')
    for name in names:
        module = types.ModuleType(name)
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
        sys.modules[name] = module
    sys.modules['torchvision'].ops = sys.modules['torchvision.ops']
    sys.modules['torchvision.ops'].boxes = sys.modules['torchvision.ops.boxes']
    for module, attributes in ((names[1], ('nms', 'roi_align', 'RoIAlign')), (names[2], ('box_area', 'box_iou'))):
        for attribute in attributes:
            setattr(sys.modules[module], attribute, None)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def ensure_mmpretrain() -> bool:
    """Makes ``mmpretrain.<Backbone>`` usable in configs.

    ``mmpretrain.models`` imports torchvision for parts that segmentation never calls. torchvision is no dependency
    of ours: its wheels must match torch's build exactly, and beside a CPU torch its import fails. Without it, an
    empty stand-in is offered for the time of the import.

    Returns:
        Whether mmpretrain is importable.
    """
    if 'mmpretrain.models' in sys.modules:
        return True
    if importlib.util.find_spec('mmpretrain') is None:
        return False
    context = contextlib.nullcontext() if importlib.util.find_spec('torchvision') else _stub_torchvision()
    with context, contextlib.redirect_stdout(io.StringIO()):
        try:
            import mmpretrain.models  # noqa: F401
        except (ImportError, RuntimeError):
            return False
    return True
