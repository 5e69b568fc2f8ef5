"""Every private name of torch and mmengine that mmciss uses, each with the reason.

A new release may rename any of them; then this is the file to mend. Methods with an underscore that MMSegmentation's
own heads and loaders override, such as ``_forward_feature``, are used where ours derive from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mmengine.runner.checkpoint as mmengine_checkpoint
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.data import DataLoader

NORMS = _NormBase
"""Batch norm and instance norm of any dimension. There is no public base class, and a list of the public ones would
miss those that derive from the private one, such as mmengine's stand-in for synchronised batch norm."""

CONVOLUTION = '_conv_forward'
"""The method of :class:`torch.nn.Conv2d` that convolves. Layers override ``forward``, so this is where all
convolutions can be changed."""

DROPOUTS = _DropoutNd
"""Dropout of any dimension; the reason is the same."""


class AdaptsState(nn.Module):
    """A module that changes the weights it is about to load.

    torch's public hook (``register_load_state_dict_pre_hook``) is registered per object and must be carried along by
    every copy; batch norm itself overrides this method, and mmengine's loader calls it too.
    """

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Changes weights in place before they are loaded.

        Args:
            state: All weights that are loaded, by name.
            prefix: Name of this module in them, with its dot.
            errors: Messages of what does not fit; torch raises them together.
        """
        raise NotImplementedError

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        self.adapt_state(state_dict, prefix, error_msgs)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def replace_mmengine_readers(read: Callable[..., Any], download: Callable[..., Any]) -> None:
    """Lets mmengine read files with ``read`` and addresses with ``download``.

    mmengine's loaders by prefix (``http://``, ``open-mmlab://``, a path) are public, but each is bound to its own
    reader; all of them end in these two.
    """
    mmengine_checkpoint._safe_torch_load = read
    mmengine_checkpoint.load_url = download


def stop_workers(runner: Runner) -> None:
    """Ends the data workers of a runner.

    A loader has no public ``close``. The runner's public ``train_loop`` would build the loop if there is none.
    """
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        loader = getattr(loop, 'dataloader', None)
        iterators: list[Any] = [getattr(loader, '_iterator', None)]
        iterators.append(getattr(getattr(loop, 'dataloader_iterator', None), '_iterator', None))
        for iterator in iterators:
            if hasattr(iterator, '_shutdown_workers'):
                iterator._shutdown_workers()
        if isinstance(loader, DataLoader):
            loader._iterator = None


def forget_instance(kind: type[ManagerMixin], name: str) -> Any:
    """Removes one of mmengine's global instances and returns it; None if there is none.

    mmengine keeps every logger, message hub and visualizer until the process ends, and has no function to remove one.
    """
    return kind._instance_dict.pop(name, None)


def unscales_by_itself(optimizer: Any) -> bool:
    """Whether an optimizer removes the scale of mixed precision within its own step, as fused ones do.

    :class:`torch.amp.GradScaler` asks for the same attribute.
    """
    return bool(getattr(optimizer, '_step_supports_amp_scaling', False))
