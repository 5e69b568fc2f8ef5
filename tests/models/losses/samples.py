"""Hand-made steps and outputs on which the losses are tested."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.protocols.step import Step
from tests.functional import closed_form as cf


def later_step() -> Step:
    """Step 1 of a protocol that learned three classes and now learns two."""
    names = ('background', 'a', 'b', 'c', 'd', 'e')
    return Step(index=1, new=(4, 5), old=(1, 2, 3), sizes=(4, 2), names=names, background=True)


def base_step() -> Step:
    """Step 0 of the same protocol, taken as if it learned all five classes."""
    names = ('background', 'a', 'b', 'c', 'd', 'e')
    return Step(index=0, new=(1, 2, 3, 4, 5), old=(), sizes=(6,), names=names, background=True)


def domain_step() -> Step:
    """A later step of a domain-incremental protocol: no new class."""
    return Step(
        index=1,
        new=(),
        old=(1, 2, 3, 4, 5, 6),
        sizes=(6, 0),
        names=tuple('abcdef'),
        background=False,
        domains=('rain',),
    )


def later() -> StepContext:
    """The context of :func:`later_step`."""
    return StepContext(later_step())


def base() -> StepContext:
    """The context of :func:`base_step`."""
    return StepContext(base_step())


def domain() -> StepContext:
    """The context of :func:`domain_step`."""
    return StepContext(domain_step())


def student(size: int = 8, **kwargs: object) -> SegOutput:
    """An output with 6 channels, at the labels' size unless said otherwise."""
    return SegOutput(cf.wave((2, 6, size, size), 0.37, 0.1), **kwargs)


def teacher(size: int = 8, **kwargs: object) -> SegOutput:
    """An output with 4 channels."""
    return SegOutput(cf.wave((2, 4, size, size), 0.53, 0.7), **kwargs)


def classifier(weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    """A 1x1 convolution with the given weight ``(C, D, 1, 1)``."""
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer
