"""The environment of a process: threads, devices, and workarounds for libraries, each with its reason."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import logging
import os
import pickle
import platform
import re
import sys
import time
import types
import warnings
from collections.abc import Iterator

from mmciss.errors import ConfigError

MMDET = (
    'needs MMDetection and an mmcv with compiled operations: pip install "mmciss[mask2former]" && pip install '
    '--no-build-isolation --no-binary onedl-mmcv --no-cache-dir --force-reinstall --no-deps onedl-mmcv'
)
"""How to install what ``mmdet.models`` needs, for messages.

By default pip builds mmcv where it cannot see torch, and so without compiled operations.
"""


PACKAGES = (
    *('torch', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation', 'onedl-mmpretrain', 'numpy'),
    *('mmengine', 'mmcv', 'mmsegmentation'),
)
"""What results may depend on, under the names of both distributions of OpenMMLab's packages."""
LIBRARIES = r'(mmcv|mmengine|mmseg|mmpretrain|mmdet|timm|torch|matplotlib)(\.|$)'
"""Modules whose warnings are about their own insides."""


def set_thread_defaults() -> None:
    """Keeps idle OpenMP threads from spinning; must be called before torch is imported.

    Spinning threads make two processes on the same cores up to ten times slower than running them one after the other.
    """
    os.environ.setdefault('GOMP_SPINCOUNT', '0')


def quiet_third_parties() -> None:
    """Drops warnings of libraries about their own insides, which a user of mmciss cannot act on."""
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings('ignore', category=category, module=LIBRARIES)


def import_quietly() -> None:
    """Imports MMSegmentation's data sets without the notice about a missing optional package.

    ``mmseg.datasets`` says with a plain ``print`` that it found no 'OneDL' package, so no log level silences it.
    """
    import_yapf()
    with contextlib.redirect_stdout(io.StringIO()):
        ensure_mmpretrain()
        import mmseg.datasets  # noqa: F401


def import_yapf(tries: int = 50, pause: float = 0.1) -> None:
    """Imports yapf, which mmengine formats configs with, even if another process is just writing its cache.

    The first import in a new environment writes a pickled grammar into the home folder; a process of the same job that
    reads it meanwhile finds half a file and would fail.

    Args:
        tries: Number of attempts.
        pause: Seconds between two attempts.

    Raises:
        EOFError: If the file remains incomplete (or ``UnpicklingError``).
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
    """Provides empty torchvision modules during an import."""
    names = ('torchvision', 'torchvision.ops', 'torchvision.ops.boxes')
    for name in names:
        module = types.ModuleType(name)
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
        sys.modules[name] = module
    vars(sys.modules['torchvision'])['ops'] = sys.modules['torchvision.ops']
    vars(sys.modules['torchvision.ops'])['boxes'] = sys.modules['torchvision.ops.boxes']
    for name, attributes in ((names[1], ('nms', 'roi_align', 'RoIAlign')), (names[2], ('box_area', 'box_iou'))):
        for attribute in attributes:
            setattr(sys.modules[name], attribute, None)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def ensure_mmpretrain() -> bool:
    """Makes ``mmpretrain.<Backbone>`` usable in configs.

    ``mmpretrain.models`` imports torchvision for parts that segmentation never calls. torchvision is not a dependency
    of ours: its wheels must match torch's build exactly, and with a CPU build of torch its import fails. If it is not
    installed, an empty stand-in takes its place during the import.

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


def existing_devices() -> list[str]:
    """Returns the devices that torch can use, such as ``['cpu', 'cuda:0']``."""
    import torch

    return ['cpu', *(f'cuda:{index}' for index in range(torch.cuda.device_count()))]


def use_device(device: str | None) -> None:
    """Restricts this process to one device; must be called before anything is put on a GPU.

    Args:
        device: ``'cpu'``, ``'cuda'`` (the first GPU) or ``'cuda:1'``, counted as in torch among the GPUs that
            ``CUDA_VISIBLE_DEVICES`` shows; None leaves the choice to mmengine.

    Raises:
        ConfigError: If the name is not a device's, or the device does not exist.
    """
    import torch

    if device is None:
        return
    if not re.fullmatch(r'cpu|cuda(:[0-9]+)?', device):
        raise ConfigError(f'--device: {device!r}; allowed here: {", ".join(existing_devices())}')
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
        return
    index, existing = int(device.partition(':')[2] or 0), existing_devices()
    if f'cuda:{index}' not in existing:
        why = '' if torch.version.cuda or torch.version.hip else '; this torch was built without CUDA'
        raise ConfigError(f'--device: {device!r} does not exist; allowed here: {", ".join(existing)}{why}')
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    os.environ['CUDA_VISIBLE_DEVICES'] = visible.split(',')[index].strip() if visible else str(index)
    if torch.cuda.device_count() > 1:  # CUDA was already initialised, so the variable came too late
        torch.cuda.set_device(index)


def drop_frozen_parameter_notes() -> None:
    """Drops mmengine's warning about every frozen parameter from the current log; methods freeze networks on purpose.

    :class:`mmciss.engine.hooks.progress_hook.ProgressHook` logs their number instead.
    """
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().addFilter(_not_about_frozen_parameters)  # does nothing the second time


def _not_about_frozen_parameters(record: logging.LogRecord) -> bool:
    return 'is skipped since its requires_grad=False' not in str(record.msg)


def versions() -> dict[str, str]:
    """Returns the versions of mmciss and of the packages that results may depend on."""
    from mmciss.version import __version__

    found = {'mmciss': __version__, 'python': platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Describes the machine in one line, without its name."""
    import torch

    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}'
    threads = torch.get_num_threads()
    return f'CPU, {threads} thread{"" if threads == 1 else "s"}, {platform.machine()}'
