"""Lets mmengine read checkpoints as safely as mmciss does."""

from __future__ import annotations

from typing import Any

import mmengine.runner.checkpoint as mmengine_checkpoint
import torch

from mmciss.utils.checkpoints import load_safely


def read_safely() -> None:
    """Replaces what mmengine reads files and downloads with, for ``resume``, ``load_from`` and pretrained backbones.

    Where a file holds more than tensors, mmengine 0.10.12 reads it again with ``weights_only=False``, which runs
    whatever is in it, and downloads are read so at once. Both functions are private names of ``mmengine.runner``:
    its loaders by prefix (``http://``, ``open-mmlab://``, a path) all end in one of them.
    """
    mmengine_checkpoint._safe_torch_load = _load
    mmengine_checkpoint.load_url = _load_url


def _load(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """Reads a path or an open file."""
    return load_safely(file, lambda: torch.load(file, map_location=map_location, weights_only=True))


def _load_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Downloads a file, unless that is done, and reads it."""
    kwargs['weights_only'] = True
    return load_safely(url, lambda: torch.hub.load_state_dict_from_url(url, *args, **kwargs))
