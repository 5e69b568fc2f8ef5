"""Two parallel branches instead of every 3x3 convolution (RCIL), and their layers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.functional import ConvNorm, merge_parallel_branches
from mmciss.models.structures.structure import Structure
from mmciss.registry import STRUCTURES
from mmciss.utils.private_api import NORMS, AdaptsState

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.protocols.step import Step


class Parallel(AdaptsState):
    """Two copies of a layer, ``branches.0`` and ``branches.1``; the weights of a single layer load into both.

    Args:
        layer: The layer; it becomes the first branch.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList([layer, copy.deepcopy(layer)])

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Gives the weights of a single layer to both branches."""
        for name in [name for name in state if name.startswith(prefix)]:
            leaf = name.removeprefix(prefix)
            if not leaf.startswith('branches.'):
                tensor = state.pop(name)
                state.update({f'{prefix}branches.{i}.{leaf}': tensor for i in range(2)})


class ParallelConv(Parallel):
    """Two convolutions of the same input, for the :class:`ParallelNorm` that follows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns both outputs."""
        return self.branches[0](x), self.branches[1](x)


class ParallelNorm(Parallel):
    """Two batch norms, and the average of the branches.

    In training every channel takes the first branch alone, the second alone, or their average, drawn anew for each
    batch (RCIL, CVPR 2022, arXiv 2203.05402).

    Args:
        norm: The batch norm.
        alone: Probability of the first branch alone, and that of the second.
    """

    def __init__(self, norm: nn.Module, alone: float = 0.33) -> None:
        super().__init__(norm)
        self.alone = alone
        self.frozen = False

    def forward(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Joins the branches ``(N, C, H, W)``."""
        first, second = (norm(part) for norm, part in zip(self.branches, maps, strict=True))
        if not self.training:
            return (first + second) / 2
        drawn = torch.rand(1, first.shape[1], 1, 1, device=first.device)
        share = torch.full_like(drawn, 0.5, dtype=first.dtype)
        share[drawn < self.alone] = 1
        share[(drawn >= self.alone) & (drawn < 2 * self.alone)] = 0
        return first * share + second * (1 - share)

    def train(self, mode: bool = True) -> ParallelNorm:
        """Sets the mode; a frozen first branch keeps its running statistics."""
        super().train(mode)
        if self.frozen:
            self.branches[0].eval()
        return self


def freeze_first(conv: ParallelConv, norm: ParallelNorm) -> None:
    """Freezes the first branch, statistics included."""
    conv.branches[0].requires_grad_(False)
    norm.branches[0].requires_grad_(False)
    norm.frozen = True
    norm.train(norm.training)


def merge_layers(conv: ParallelConv, norm: ParallelNorm) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Returns the plain convolution and batch norm that give the average of both branches.

    The merged kernel K and bias b of :func:`~mmciss.functional.merge_parallel_branches` need a convolution with a
    bias, but a ResNet has a batch norm instead. For any scale s per channel,
    ``(K x - m) / sqrt(s^2) * s + (b + m)`` is exactly ``K x + b``. With m the mean of ``K x`` and s near its standard
    deviation, the batch norm has the statistics of the merged layer's output, so that the exported model can be
    trained further.

    Args:
        conv: The convolutions.
        norm: The batch norms.
    """
    first, second = (_conv_norm(conv.branches[i], norm.branches[i]) for i in range(2))
    kernel, bias = merge_parallel_branches(first, second)
    eps: float = norm.branches[0].eps  # type: ignore[assignment]
    scale = ((first.gamma.abs() + second.gamma.abs()) / 2).clamp(min=math.sqrt(2 * eps))
    beta = (first.beta + second.beta) / 2
    plain_conv, plain_norm = (dict(layer.branches[1].state_dict()) for layer in (conv, norm))
    found = {'weight': kernel, 'bias': torch.zeros_like(bias)}
    plain_conv = {leaf: found[leaf].to(tensor) for leaf, tensor in plain_conv.items()}
    found = {'weight': scale, 'bias': beta, 'running_mean': beta - bias, 'running_var': scale.square() - eps}
    plain_norm = {leaf: found[leaf].to(tensor) if leaf in found else tensor for leaf, tensor in plain_norm.items()}
    return plain_conv, plain_norm


def _conv_norm(conv: Any, norm: Any) -> ConvNorm:
    values = conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var
    kernel, gamma, beta, mean, variance = (value.detach().double() for value in values)
    bias = None if conv.bias is None else conv.bias.detach().double()
    return ConvNorm(kernel, gamma, beta, mean, variance, norm.eps, bias)


DEFAULT = {'backbone.*': 3, 'decode_head.*': 3}


@STRUCTURES.register_module()
class ParallelBranches(Structure):
    """Gives convolutions a frozen branch for the old classes and one that learns.

    RCIL, Representation Compensation (CVPR 2022, arXiv 2203.05402). At the base step both branches learn; they start
    from the same weights if those are pretrained, otherwise each from its own. At later steps the first branch is the
    average of both branches as the previous step left them, merged into one layer and frozen; the second continues from
    its own weights. A layer's output is the average, with random choices per channel in training, see
    :class:`ParallelNorm`.

    The average of both branches is one plain layer (:func:`merge_layers`), so the exported model, the teacher and the
    frozen branch are all the plain model of the previous step.

    Args:
        convolutions: Kernel sizes by shell patterns of module names, ``{'backbone.*': 3,
            'decode_head.pyramid.*': (1, 3)}``. Of the convolutions that fit, those take part whose parent names the
            batch norm that follows, as ResNet's blocks and MMCV's ConvModule do. A list of patterns means 3x3 kernels.
        alone: Probability in training that a channel takes the first branch alone, and that it takes the second alone.

    Raises:
        ConfigError: If ``alone`` is not such a probability, or ``convolutions`` holds no patterns.
    """

    def __init__(
        self, convolutions: Mapping[str, int | Sequence[int]] | Sequence[str] = DEFAULT, alone: float = 0.33
    ) -> None:
        super().__init__()
        if not 0 <= alone <= 0.5:
            raise ConfigError(f'method.structure.alone must lie between 0 and 0.5, found {alone}')
        if isinstance(convolutions, str) or not isinstance(convolutions, Mapping | Sequence):
            raise ConfigError(
                'method.structure.convolutions must be a list of patterns, or a dictionary of kernel sizes '
                f"such as {{'backbone.*': 3}}, found {convolutions!r}"
            )
        if not isinstance(convolutions, Mapping):
            convolutions = dict.fromkeys(convolutions, 3)
        self.convolutions = {
            pattern: (sides,) if isinstance(sides, int) else tuple(sides) for pattern, sides in convolutions.items()
        }
        self.alone = alone
        self.kept: tuple[str, ...] = ()

    def install(self, segmentor: BaseSegmentor, step: Step) -> None:
        """Replaces each layer with two branches.

        Raises:
            ConfigError: If a pattern fits no convolution that can have two branches.
        """
        pairs = conv_norm_pairs(segmentor)
        fitting = {
            pattern: {
                name
                for name, _ in pairs
                if fnmatchcase(name, pattern)
                and tuple(segmentor.get_submodule(name).kernel_size) in {(side, side) for side in sides}
            }
            for pattern, sides in self.convolutions.items()
        }
        for pattern, names in fitting.items():
            if not names:
                raise ConfigError(self._refusal(segmentor, pattern, [other for other in fitting if fitting[other]]))
        found = [(name, norm_name) for name, norm_name in pairs if any(name in names for names in fitting.values())]
        self.kept = tuple(f'{name}.branches.1.' for pair in found for name in pair)
        for name, norm_name in found:
            conv = ParallelConv(segmentor.get_submodule(name))
            norm = ParallelNorm(segmentor.get_submodule(norm_name), self.alone)
            if not step.is_base:
                freeze_first(conv, norm)
            _put(segmentor, name, conv)
            _put(segmentor, norm_name, norm)

    def _refusal(self, segmentor: BaseSegmentor, pattern: str, others: list[str]) -> str:
        sides = ' or '.join(f'{side}x{side}' for side in self.convolutions[pattern])
        parts = ' and '.join(type(part).__name__ for part in (segmentor.backbone, segmentor.decode_head))
        if others:
            instead = f'--cfg-options "method.structure.convolutions=[{",".join(others)}]" doubles the rest alone'
        else:
            instead = '--cfg-options method.structure=None leaves the losses of the method, which work on any network'
        return (
            f'method.structure.convolutions: {pattern!r} fits no {sides} convolution that a batch norm follows, in '
            f'{parts}; {instead}'
        )

    def initialise(self, segmentor: BaseSegmentor, initialise: Callable[[], None]) -> None:
        """Initialises the first branches and all other layers as in the plain model, then the second branches.

        The second branches come from another plain model, built and initialised once more: pretrained weights are
        equal in both, random ones are drawn for each by the same rule.
        """
        layers = {name: layer for name, layer in segmentor.named_modules() if isinstance(layer, Parallel)}
        for name, layer in layers.items():
            _put(segmentor, name, layer.branches[0])
        try:
            initialise()
        finally:
            for name, layer in layers.items():
                _put(segmentor, name, layer)
        other = MODELS.build(copy.deepcopy(segmentor.build_config))
        other.init_weights()
        for name, layer in layers.items():
            layer.branches[1].load_state_dict(other.get_submodule(name).state_dict())

    def export(self, segmentor: BaseSegmentor, weights: MutableMapping[str, Tensor]) -> None:
        """Merges the branches."""
        for name, norm_name in conv_norm_pairs(segmentor):
            conv, norm = segmentor.get_submodule(name), segmentor.get_submodule(norm_name)
            if not isinstance(conv, ParallelConv):
                continue
            for path, tensors in zip((name, norm_name), merge_layers(conv, norm), strict=True):
                for leaf in tensors:
                    for index in range(2):
                        weights.pop(f'{path}.branches.{index}.{leaf}')
                weights.update({f'{path}.{leaf}': tensor for leaf, tensor in tensors.items()})


def conv_norm_pairs(segmentor: BaseSegmentor) -> list[tuple[str, str]]:
    """Returns the names of convolutions and of the batch norms that follow them.

    OpenMMLab's layers name the norm of their child ``conv2`` in the attribute ``norm2_name``, that
    of ``conv`` in ``norm_name``. Norms without weights or running statistics are left out.
    """
    pairs = []
    for path, parent in segmentor.named_modules():
        for child, module in parent.named_children():
            norm_name = getattr(parent, f'norm{child.removeprefix("conv")}_name', None)
            if not child.startswith('conv') or not isinstance(module, nn.Conv2d | ParallelConv) or norm_name is None:
                continue
            norm = getattr(parent, norm_name, None)
            normal = isinstance(norm, NORMS) and norm.affine and norm.track_running_stats
            if normal or isinstance(norm, ParallelNorm):
                prefix = f'{path}.' if path else ''
                pairs.append((f'{prefix}{child}', f'{prefix}{norm_name}'))
    return pairs


def _put(root: nn.Module, name: str, module: nn.Module) -> None:
    path, _, leaf = name.rpartition('.')
    setattr(root.get_submodule(path), leaf, module)
