"""Optimizer constructors that look at parameter names see the plain segmentor."""

from __future__ import annotations

from typing import Any

from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SegmentorOptimWrapperConstructor:
    """Hands the segmentor inside the wrapper to another constructor.

    Layer-wise learning rate decay (ConvNeXt, BEiT, ...) knows names such as ``backbone.stages.0``, which have a prefix
    in the wrapper. Parameters of losses are not covered: such constructors know nothing of them.

    Args:
        optim_wrapper_cfg: Config of the optimizer wrapper, with ``inner_constructor``.
        paramwise_cfg: Options of the inner constructor.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        config = dict(optim_wrapper_cfg)
        inner = config.pop('inner_constructor')
        self.inner: Any = OPTIM_WRAPPER_CONSTRUCTORS.build(
            dict(type=inner, optim_wrapper_cfg=config, paramwise_cfg=paramwise_cfg)
        )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds the optimizer wrapper for the segmentor in ``model``."""
        from mmciss.engine.hooks.teacher_hook import unwrap

        return self.inner(unwrap(model).segmentor)
