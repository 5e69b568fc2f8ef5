"""A head for every step on the trunk that all share (SSUL)."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from mmengine.config import ConfigDict
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable_conv2d import GrowableConv2d
from mmciss.models.classifiers.heads_per_step import HeadsPerStep
from mmciss.models.readout import main_classifier, main_head
from mmciss.models.structures.structure import Structure
from mmciss.registry import STRUCTURES

if TYPE_CHECKING:
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
        freeze_norms: Whether batch norms of all heads, the newest too, stay as they are in later steps. That is for
            heads that start as copies of a trained one.
    """

    in_plain_model = False
    changes_trunk = False

    def __init__(self, channels: int | None = None, freeze_norms: bool = True) -> None:
        if channels is not None and channels < 1:
            raise ConfigError(f'method.structure.channels must be positive or None, found {channels}')
        self.channels = channels
        self.freeze_norms = freeze_norms

    def __call__(self, segmentor: nn.Module, step: Step) -> None:
        """Puts heads in the place of the main classifier.

        Raises:
            ConfigError: If the main head does not end in a 1x1 convolution ``conv_seg``.
        """
        name, head = main_head(segmentor)
        found = main_classifier(segmentor)
        layer = None if found is None else found[1]
        if not isinstance(layer, GrowableConv2d) or layer.kernel_size != (1, 1) or layer.num_rest:
            raise ConfigError(
                f"method.structure: StepHeads replaces a 1x1 convolution 'conv_seg', in which "
                f'{type(head).__name__} (model.{name}) does not end. Set method.structure=None to '
                f'learn one row per class'
            )
        if layer.num_future:
            raise ConfigError(
                'method.structure: StepHeads brings heads when their step comes, which '
                'method.classifier.future_rows=True contradicts; leave one of them out'
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

    def export(self, segmentor: nn.Module, weights: MutableMapping[str, Tensor]) -> None:
        """Leaves the weights as they are: the exported model has the heads."""

    def export_config(self, segmentor: nn.Module, model: dict[str, Any]) -> None:
        """Wraps the main head's config."""
        name = main_head(segmentor)[0]
        slot, _, index = name.partition('.')
        heads = main_classifier(segmentor)[1]
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
