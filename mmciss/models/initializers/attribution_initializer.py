"""New classes start with those background weights that are relevant for them (AWT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.models.classifiers.growable import Growable
from mmciss.models.initializers.background_initializer import BackgroundInitializer, divide_background_bias
from mmciss.models.initializers.initializer import Initializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step

RULES = ('add', 'copy', 'orig')
BIAS_RULES = ('keep', 'divide', 'copy')
SOURCES = ('background', 'auxiliary')


@INITIALIZERS.register_module()
class AttributionInitializer(Initializer):
    """Transfers only those background weights with which the old model classifies new objects as background.

    A mask ``m`` in {0, 1}^D selects these channels of the embedding; it comes from an attribution of the background's
    logit before the step. With ``w_bg`` the background's row and ``r`` the random row (Goswami et al., WACV 2023, arXiv
    2210.07207, and the released code):

    - ``'add'``: ``w_new = r + m * w_bg``, as released and as in the paper's tables,
    - ``'copy'``: ``w_new = m * w_bg + (1 - m) * r``,
    - ``'orig'``: ``w_new = w_bg``, without the mask.

    Args:
        rule: How the weights are combined.
        bias: ``'keep'`` leaves all biases, as in the paper's runs; ``'divide'`` sets those of the background and the
            new classes as MiB does; ``'copy'`` copies the source's to the new classes.
        source: Which row ``w_bg`` is: that of the ``'background'``, or of the first ``'auxiliary'`` channel, which
            stands for unnamed objects in SSUL and DKD, whose decision does not use the background's row. The pass that
            finds the mask must have the same source.
        mask: Name of the mask in ``context.statistics``: ``(D,)`` for all new classes, ``(N, D)`` with one row per
            class, or a dictionary of these by classifier name. A classifier without a mask, such as that of an
            auxiliary head, starts as in MiB.

    Raises:
        ConfigError: If a rule is unknown.
    """

    def __init__(
        self, rule: str = 'add', bias: str = 'keep', mask: str = 'channel_mask', source: str = 'background'
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise unknown_name('rule', rule, RULES, 'method.initializer.rule')
        if bias not in BIAS_RULES:
            raise unknown_name('rule', bias, BIAS_RULES, 'method.initializer.bias')
        if source not in SOURCES:
            raise unknown_name('source', source, SOURCES, 'method.initializer.source')
        if source == 'auxiliary' and bias == 'divide':
            raise ConfigError(
                "method.initializer.bias: 'divide' divides the background's bias, which contradicts "
                "source='auxiliary'. Allowed: 'keep', 'copy'."
            )
        self.rule, self.bias, self.mask, self.source = rule, bias, mask, source
        self.needs_auxiliary = source == 'auxiliary'
        self.without_mask = BackgroundInitializer()
        if rule != 'orig':
            self.needs = (f'statistics.{mask}',)

    def check(self, classifier: Growable, step: Step) -> None:
        """Also rejects a classifier whose steps have embeddings of their own."""
        super().check(classifier, step)
        if not classifier.linear:
            raise ConfigError(
                'method.initializer: AttributionInitializer mixes rows over one embedding, but '
                'here each step has its own head; set method.structure=None'
            )

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Combines random rows, background row and mask."""
        group = classifier.auxiliary if self.source == 'auxiliary' else classifier.background_group
        if group is None:  # an auxiliary head; the main one was checked when the model was built
            self.without_mask.start(classifier, new, context, name)
            return
        background = group.weight[:1]
        if self.rule == 'orig':
            new.weight.copy_(background.expand_as(new.weight))
        else:
            mask = self._mask_of(classifier, new, context, name)
            if mask is None:
                self.without_mask.start(classifier, new, context, name)
                return
            kept = new.weight if self.rule == 'add' else (1 - mask) * new.weight
            new.weight.copy_(kept + mask * background)
        if self.bias == 'divide':
            divide_background_bias(classifier, new)
        elif self.bias == 'copy' and new.bias is not None:
            new.bias.copy_(group.bias[:1].expand_as(new.bias))

    def _mask_of(self, classifier: Growable, new: Any, context: StepContext, name: str) -> Tensor | None:
        """Returns the mask in the shape of the new rows, or None for a classifier without one."""
        found = context.statistic(self.mask, self)  # an error, or new rows would silently stay random
        if isinstance(found, dict):
            found = found.get(name)
        elif name and not name.startswith('decode_head'):
            found = None
        if found is None:
            return None
        mask = torch.as_tensor(found, device=new.weight.device)
        if mask.ndim > 2 and mask.shape[-2:] == (1, 1):
            mask = mask[..., 0, 0]
        mask = mask[None] if mask.ndim == 1 else mask
        rows, channels = new.weight.shape[:2]
        if tuple(mask.shape) not in {(1, channels), (rows, channels)}:
            raise ConfigError(
                f'method.initializer: the mask {self.mask!r} has shape '
                f'{tuple(mask.shape)}; allowed: ({channels},) or '
                f'({rows}, {channels})'
            )
        shape = (len(mask), channels, *[1] * (new.weight.ndim - 2))
        return mask.to(new.weight.dtype).reshape(shape)
