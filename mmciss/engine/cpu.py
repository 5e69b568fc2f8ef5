"""What mmengine lacks for training on CPUs: mixed precision and several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS  # the runner looks wrappers up in this root only
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn

from mmciss.errors import ConfigError


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16 on CPUs; ``AmpOptimWrapper`` insists on an accelerator.

    bfloat16 has the range of float32, so no loss scaling is needed. It pays on CPUs with AMX or AVX512-BF16.
    """

    def __init__(self, loss_scale: Any = None, dtype: Any = None, use_fsdp: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Runs the forward pass in bfloat16."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield


@MODEL_WRAPPERS.register_module()
class CpuDistributedDataParallel(MMDistributedDataParallel):
    """DistributedDataParallel without device ids, for processes on CPUs; SyncBN becomes BN there."""

    def __init__(self, module: nn.Module, device_ids: Any = None, **kwargs: Any) -> None:
        super().__init__(module=revert_sync_batchnorm(module), **kwargs)


def init_cpu_distributed(launcher: str) -> None:
    """Starts the gloo process group; mmengine's own start calls CUDA unconditionally.

    Args:
        launcher: The config key ``launcher``.

    Raises:
        ConfigError: If the launcher is not supported on CPUs.
    """
    import torch.distributed as dist

    if dist.is_initialized():
        return
    if launcher != 'pytorch':
        raise ConfigError(f"launcher: {launcher!r} is not supported without CUDA; use 'pytorch' (torchrun)")
    os.environ.setdefault('LOCAL_RANK', '0')
    dist.init_process_group('gloo')
