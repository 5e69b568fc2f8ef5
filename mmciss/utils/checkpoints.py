"""Reading MMSegmentation checkpoints, of ours or of anybody, without executing what is in them."""
from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from torch import Tensor, nn

from mmciss.errors import ConfigError, first_line


def safe_types() -> list[Any]:
    """Returns the harmless types that checkpoints of mmengine hold beside tensors.

    mmengine's own list contains ``getattr``, with which a pickle can reach anything, so this one is shorter.
    """
    return [HistoryBuffer, np.ndarray, np.dtype, np._core.multiarray._reconstruct, np._core.multiarray.scalar, slice,
            *{type(np.dtype(name)) for name in ('uint8', 'int32', 'int64', 'uint32', 'float32', 'float64', 'bool')}]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint file with ``weights_only=True``.

    Raises:
        FileNotFoundError: If there is no such file.
        ConfigError: If it is truncated, no checkpoint, or holds objects that could run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    try:
        with torch.serialization.safe_globals(safe_types()):
            content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ConfigError(f'{path} cannot be read safely: it is truncated, no checkpoint, or it holds objects other '
                         f'than tensors and plain values ({first_line(error)})') from error
    if not isinstance(content, dict):
        raise ConfigError(f'{path} holds a {type(content).__name__}, expected a dictionary of weights')
    return content


def read_plain_checkpoint(path: str | Path) -> OrderedDict[str, Tensor]:
    """Returns the weights of a segmentor, whatever wrapped them.

    Strips ``module.`` of DistributedDataParallel and ``segmentor.`` of our own training checkpoints.

    Raises:
        ConfigError: If the file holds no weights.
    """
    content = read_checkpoint(path)
    weights = content.get('state_dict', content)
    weights = OrderedDict((name.removeprefix('module.'), value) for name, value in weights.items()
                          if isinstance(value, Tensor))
    if any(name.startswith('segmentor.') for name in weights):
        weights = OrderedDict((name.removeprefix('segmentor.'), value) for name, value in weights.items()
                              if name.startswith('segmentor.'))
    if not weights:
        raise ConfigError(f'{path} holds no weights (no tensors under state_dict or at the top)')
    return weights


def load_own(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Loads weights that a module of this kind gave; every one of its own must be among them.

    ``load_state_dict`` alone would find entries missing that a layer drops while it loads, since it computes them
    itself (mmpretrain's Swin Transformer V2).

    Raises:
        ValueError: If weights are missing or unexpected.
        RuntimeError: If one has another shape.
    """
    result = module.load_state_dict(weights, strict=False)
    wrong = [name for name in result.missing_keys if name not in weights] + list(result.unexpected_keys)
    if wrong:
        raise ValueError(f'{type(module).__name__}: weights missing or unexpected: {", ".join(wrong[:3])}')
