"""A head for every step on the trunk that all steps share (SSUL)."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import Growable, GrowableConv2d
from mmciss.models.outputs import linear_classifier, main_classifier, main_head
from mmciss.models.structures.structure import Structure, build_exported_head
from mmciss.registry import STRUCTURES

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.protocols.step import Step


@STRUCTURES.register_module()
class StepHeads(Structure):
    """Gives every step a 3x3 convolution, batch norm and ReLU of its own before its classes' rows.

    So a new class may learn features that a frozen trunk does not have (SSUL, NeurIPS 2021, arXiv 2106.11562). The
    background has a head too, and so have auxiliary channels such as SSUL's unknown class. They take the place of
    the main classifier ``conv_seg``; auxiliary heads keep rows.

    Plain MMSegmentation has no such layers: the exported config imports mmciss.

    Args:
        channels: Width of every head; None for that of the embedding.
        freeze_norms: Whether the batch norms of all heads, the newest too, stay as they are in later steps. That suits
            heads that start as copies of a trained one.
    """

    in_plain_model = False
    changes_trunk = False

    def __init__(self, channels: int | None = None, freeze_norms: bool = True) -> None:
        super().__init__()
        if channels is not None and channels < 1:
            raise ConfigError(f'method.structure.channels must be positive or None, found {channels}')
        self.channels = channels
        self.freeze_norms = freeze_norms

    def install(self, segmentor: BaseSegmentor, step: Step) -> None:
        """Replaces the main classifier with heads.

        Raises:
            ConfigError: If the main head does not end in a 1x1 convolution ``conv_seg``.
        """
        name, head = main_head(segmentor)
        found = main_classifier(segmentor)
        layer = None if found is None else found[1]
        if not isinstance(layer, GrowableConv2d) or layer.kernel_size != (1, 1) or layer.num_rest:
            raise ConfigError(
                f"method.structure: StepHeads replaces a 1x1 convolution 'conv_seg', in which {type(head).__name__} "
                f'(model.{name}) does not end. Set method.structure=None to learn one row per class'
            )
        if layer.num_future:
            raise ConfigError(
                'method.structure: StepHeads adds each head at its step, which contradicts '
                'method.classifier.future_rows=True; leave one of them out'
            )
        heads = HeadsPerStep(
            layer.in_channels,
            layer.sizes,
            self.channels,
            getattr(head, 'norm_cfg', None),
            step.background,
            0 if layer.auxiliary is None else len(layer.auxiliary.weight),
            layer.detach_auxiliary,
        )
        heads.to(layer.weight)
        if self.freeze_norms and not step.is_base:
            heads.freeze_norms()
        head.conv_seg = heads

    def export(self, segmentor: BaseSegmentor, weights: MutableMapping[str, Tensor]) -> None:
        """Leaves the weights as they are: the exported model has the heads."""

    def export_config(self, segmentor: BaseSegmentor, model: dict[str, Any]) -> None:
        """Wraps the main head's config."""
        name = main_head(segmentor)[0]
        slot, _, index = name.partition('.')
        heads = linear_classifier(segmentor)[1]
        options = ConfigDict(
            type='HeadWithHeadsPerStep',
            sizes=list(heads.sizes),
            channels=self.channels,
            background=heads.background is not None,
        )
        if index:
            model[slot][int(index)] = ConfigDict(options, head=model[slot][int(index)])
        else:
            model[slot] = ConfigDict(options, head=model[slot])


class StepHead(nn.Conv2d):
    """A 3x3 convolution, batch norm and ReLU before the rows of some classes; ``weight`` and ``bias`` are the rows.

    Args:
        in_channels: Channels D of the embedding.
        rows: Number of classes.
        channels: Width of the convolution.
        norm_cfg: The norm.
    """

    def __init__(self, in_channels: int, rows: int, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__(channels, rows, 1)
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = build_norm_layer(norm_cfg, channels)[1]
        for layer in (self, self.conv):
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, embedding: Tensor) -> Tensor:
        """Returns logits ``(N, rows, h, w)`` of an embedding ``(N, D, h, w)``."""
        return super().forward(F.relu(self.norm(self.conv(embedding)), inplace=True))


class HeadsPerStep(Growable):
    """A head for every step, one for the background and one for the auxiliary channels, see :class:`StepHead`.

    Args:
        in_channels: Channels D of the embedding.
        sizes: Channels added by each step, the background counted.
        channels: Width of every head; None for that of the embedding.
        norm_cfg: The norm of every head.
        background: Whether channel 0 is the background, which then has a head of its own.
        auxiliary: Number of auxiliary channels, which are not classes.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.

    Examples:
        >>> layer = HeadsPerStep(8, (16, 1))
        >>> layer(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 17, 4, 4])
        >>> len(layer.background.weight), len(layer.steps[0].weight)
        (1, 15)
    """

    linear = False

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        channels: int | None = None,
        norm_cfg: dict[str, Any] | None = None,
        background: bool = True,
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
    ) -> None:
        width = channels or in_channels
        norm = dict(norm_cfg or dict(type='BN'))
        super().__init__(
            sizes,
            lambda rows: StepHead(in_channels, rows, width, norm),
            auxiliary,
            detach_auxiliary,
            background=background,
        )
        self.in_channels = in_channels
        self.norms_frozen = False

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(N, C, h, w)`` of an embedding ``(N, D, h, w)``."""
        return torch.cat([group(x) for group in self.output_groups], 1)

    def exported(self) -> dict[str, Tensor]:
        """Returns the weights of the heads by name; auxiliary channels are left out."""
        return {
            name: tensor.detach() for name, tensor in self.state_dict().items() if not name.startswith('auxiliary.')
        }

    def freeze_norms(self) -> None:
        """Freezes weights and statistics of all batch norms."""
        self.norms_frozen = True
        for norm in self._norms():
            norm.requires_grad_(False)
        self.train(self.training)

    def _norms(self) -> list[nn.Module]:
        return [module.norm for module in self.modules() if isinstance(module, StepHead)]

    def train(self, mode: bool = True) -> HeadsPerStep:
        """Sets the mode; frozen norms keep their running statistics."""
        super().train(mode)
        if self.norms_frozen:
            for norm in self._norms():
                norm.eval()
        return self


@MODELS.register_module(name='HeadWithHeadsPerStep')
def head_with_heads_per_step(
    head: dict[str, Any], sizes: Sequence[int], channels: int | None = None, background: bool = True
) -> nn.Module:
    """Builds a decode head of an exported model, whose ``conv_seg`` is :class:`HeadsPerStep`.

    Args:
        head: Config of the decode head.
        sizes: Channels added by each step.
        channels: Width of every step's head.
        background: Whether channel 0 is the background.

    Raises:
        ConfigError: If the sizes are not the classes of the head.
    """
    why = (
        'A model whose steps have heads of their own cannot be extended; one that was trained with '
        'method.structure=None can'
    )
    built = build_exported_head(head, sizes, why)
    built.conv_seg = HeadsPerStep(built.conv_seg.in_channels, sizes, channels, built.norm_cfg, background)
    return built
