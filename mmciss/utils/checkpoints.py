"""Reading checkpoints of MMSegmentation and others without running any code in them."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from mmciss.errors import ConfigError, first_line
from mmciss.utils.checkpoint_types import real, substitutes
from mmciss.utils.private_api import replace_mmengine_readers

UNKNOWN = re.compile(
    r'GLOBAL (\S+)(?: of .+? and (\S+))?|reduce for unrecognized function (.+)|'
    r'allowlisted via `add_safe_globals`,? but got (.+)|Unsupported operand (149)'
)
"""torch's messages that a pickle names something that may not be called, or has frames (operand 149, protocol 4)."""

WEIGHTS = ('state_dict', 'model', 'model_state_dict')
"""Keys of the weights in files that hold other things too: of mmengine, torchvision and its heirs (DeiT, MAE)."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint file of MMSegmentation, torchvision or a similar package; no code in it is ever run.

    Everything but tensors, numbers and text is replaced: see :mod:`mmciss.utils.checkpoint_types`.

    Args:
        path: The file, as ``torch.save`` writes it, in the present or the legacy format.

    Raises:
        FileNotFoundError: If there is no such file.
        ConfigError: If it is truncated, no checkpoint, or names anything that could run code.
    """
    if '://' in str(path):
        raise ConfigError(f'{path}: a web address; download the file and give its path')
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    content = load_safely(path, lambda: torch.load(path, map_location='cpu', weights_only=True))
    if not isinstance(content, dict):
        raise ConfigError(f'{path} holds a {type(content).__name__}, expected a dictionary of weights')
    return content


def load_safely(source: Any, load: Callable[[], Any]) -> Any:
    """Reads a file of torch with the stand-ins of :mod:`mmciss.utils.checkpoint_types` in place.

    Args:
        source: The file, for messages.
        load: Calls ``torch.load`` with ``weights_only=True``.

    Raises:
        ConfigError: If the file cannot be read, or names anything that could run code.
    """
    try:
        with only_globals(substitutes()), warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'Detected pickle protocol')
            return real(load())
    except (PermissionError, URLError):
        raise
    except Exception as error:
        raise ConfigError(f'{source} cannot be read safely: {_reason(error, source)}') from error


@contextmanager
def only_globals(allowed: list[Any]) -> Iterator[None]:
    """Lets torch accept only these names inside a ``with`` block, whatever the process has allowed so far."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(allowed)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _reason(error: Exception, source: Any) -> str:
    """Says what is wrong with a file, and what to do where it is not damaged but holds foreign objects."""
    found = UNKNOWN.search(str(error))
    if found is None:
        inner = re.search('WeightsUnpickler error: (.+)', str(error)) or re.match(
            '(Weights only load failed)', str(error)
        )
        return f'it is truncated or no checkpoint ({inner.group(1) if inner else first_line(error)})'
    name = ' '.join(part for part in found.groups() if part).rstrip('.')
    what = (
        'it was written with a newer pickle protocol than the default of torch.save'
        if found.group(5)
        else f'it names {name}, which could run code'
    )
    return (
        f'{what}. If you trust the file, save only its weights, where the packages that it needs are installed: '
        f"python -c \"import torch; weights = torch.load('{source}', map_location='cpu', "
        f"weights_only=False)['state_dict']; torch.save(dict(state_dict=weights), 'weights.pth')\""
    )


def read_plain_checkpoint(path: str | Path) -> OrderedDict[str, Tensor]:
    """Returns the weights of a segmentor, whatever wrapped them.

    Raises:
        FileNotFoundError: If there is no such file.
        ConfigError: If it cannot be read, or holds no weights.
    """
    return plain_weights(read_checkpoint(path), path)


def plain_weights(content: dict[str, Any], path: str | Path) -> OrderedDict[str, Tensor]:
    """Returns the weights of a segmentor in the content of a checkpoint; ``path`` is for messages.

    Strips ``module.`` of DistributedDataParallel and ``segmentor.`` of our own training checkpoints, and leaves out the
    averaged copies that MMSegmentation 0.x keeps under other names (``ema_backbone_conv1_weight``).

    Raises:
        ConfigError: If the file holds no weights.
    """
    found = next((content[key] for key in WEIGHTS if isinstance(content.get(key), dict)), content)
    weights = OrderedDict(
        (name.removeprefix('module.'), value.detach())
        for name, value in found.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    )
    if any(name.startswith('segmentor.') for name in weights):
        weights = OrderedDict(
            (name.removeprefix('segmentor.'), value) for name, value in weights.items() if name.startswith('segmentor.')
        )
    copies = {f'ema_{name.replace(".", "_")}' for name in weights}
    weights = OrderedDict((name, value) for name, value in weights.items() if name not in copies)
    if not weights:
        raise ConfigError(f'{path} holds no weights (no tensors under {", ".join(WEIGHTS)} or at the top)')
    return weights


def load_own(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Loads the weights of a module of the same kind; none may be missing.

    ``load_state_dict`` alone would report entries as missing that a layer drops while it loads, since it computes them
    itself (mmpretrain's Swin Transformer V2).

    Raises:
        ValueError: If weights are missing or unexpected.
        RuntimeError: If one has another shape.
    """
    result = module.load_state_dict(weights, strict=False)
    wrong = [name for name in result.missing_keys if name not in weights] + list(result.unexpected_keys)
    if wrong:
        raise ValueError(f'{type(module).__name__}: weights missing or unexpected: {", ".join(wrong[:3])}')


def read_safely() -> None:
    """Lets mmengine read ``resume``, ``load_from`` and pretrained backbones as safely as this module does.

    mmengine 0.10.12 reads a file that holds more than tensors again with ``weights_only=False``, which runs whatever is
    in it, and downloads are read so at once.
    """
    replace_mmengine_readers(_read_for_mmengine, _download_for_mmengine)


def _read_for_mmengine(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    return load_safely(file, lambda: torch.load(file, map_location=map_location, weights_only=True))


def _download_for_mmengine(url: str, *args: Any, **kwargs: Any) -> Any:
    kwargs['weights_only'] = True
    try:
        return load_safely(url, lambda: torch.hub.load_state_dict_from_url(url, *args, **kwargs))
    except URLError as error:
        raise ConfigError(
            f'{url} cannot be downloaded ({error.reason}). Download it on another machine and give the path of the '
            f'file instead'
        ) from error
