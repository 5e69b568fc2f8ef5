"""Optimizer wrappers and constructors that MMSegmentation lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS
from torch import Tensor, nn

from mmciss.utils.patched import patched
from mmciss.utils.private_api import CONVOLUTION


@contextmanager
def depthwise_in_float32() -> Iterator[None]:
    """Takes depthwise convolutions out of autocasting on the CPU, inside a ``with`` block."""
    convolve = getattr(nn.Conv2d, CONVOLUTION)

    def forward(layer: nn.Conv2d, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if layer.groups == 1 or layer.groups != layer.in_channels:
            return convolve(layer, inputs, weight, bias)
        with torch.autocast('cpu', enabled=False):
            return convolve(layer, inputs.float(), weight, bias)

    with patched(nn.Conv2d, CONVOLUTION, forward):
        yield


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16 on CPUs, where mmengine's ``AmpOptimWrapper`` refuses to work.

    bfloat16 has the range of float32, so the loss is not scaled. It is faster on CPUs with AMX or AVX512-BF16, but for
    depthwise convolutions, whose backward pass takes up to four times as long as in float32. These stay in float32, in
    the teacher, too, so that it agrees with a student that has learned nothing yet.
    """

    def __init__(self, loss_scale: Any = None, dtype: Any = None, use_fsdp: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Runs the forward pass in bfloat16."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16), depthwise_in_float32():
            yield


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SegmentorOptimWrapperConstructor:
    """Hands the segmentor inside the wrapper to another constructor, one that reads parameter names.

    Layer-wise learning rate decay (ConvNeXt, BEiT, ...) looks for names such as ``backbone.stages.0``, which have a
    prefix in the wrapper. Parameters of losses are left out, since such constructors have no rule for them.

    Args:
        optim_wrapper_cfg: Config of the optimizer wrapper, with ``inner_constructor``.
        paramwise_cfg: Options of the inner constructor.
    """

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None) -> None:
        config = dict(optim_wrapper_cfg)
        inner = config.pop('inner_constructor')
        self.inner: Any = OPTIM_WRAPPER_CONSTRUCTORS.build(
            dict(type=inner, optim_wrapper_cfg=config, paramwise_cfg=paramwise_cfg)
        )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds the optimizer wrapper for the segmentor in ``model``."""
        from mmciss.engine.hooks.teacher_hook import unwrap

        return self.inner(unwrap(model).segmentor)
