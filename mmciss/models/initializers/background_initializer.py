"""New classes start as shares of the background (MiB)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from mmciss.models.classifiers.growable import Growable, copy_row
from mmciss.models.classifiers.grown_parameters import class_tokens
from mmciss.models.initializers.initializer import Initializer
from mmciss.models.outputs import main_head
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext


@INITIALIZERS.register_module()
class BackgroundInitializer(Initializer):
    """Gives new classes the background's row and divides its probability among them.

    With N new classes, ``w_new = w_bg`` and ``b_new = b_bg = b_bg - log(N + 1)`` (Cermelli et al., CVPR 2020, arXiv
    2002.00718; the released code shifts the background too). So the background and each new class start with
    ``1 / (N + 1)`` of the old background's probability, and old classes keep theirs. Where a head has tokens of classes
    instead of rows (Segmenter), new tokens are copies of the background's.

    Args:
        bias_shift: Whether ``log(N + 1)`` is subtracted; False copies the background's bias.
        bias: Whether to set biases at all; False leaves them random, as in the release of RCIL.
    """

    def __init__(self, bias_shift: bool = True, bias: bool = True) -> None:
        super().__init__()
        self.bias_shift = bias_shift
        self.bias = bias

    def begin(self, context: StepContext) -> None:
        """Initialises the new rows of every classifier, and new tokens."""
        super().begin(context)
        assert context.model is not None
        step, tokens = context.step, class_tokens(main_head(context.model.segmentor)[1])
        if tokens is not None and context.previous is not None and step.num_new and step.background:
            with torch.no_grad():
                tokens[step.num_old :] = tokens[0]

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Copies the background's row, and shifts its bias."""
        copy_row(classifier.background_group, 0, new, bias=False)
        if self.bias:
            divide_background_bias(classifier, new, self.bias_shift)


def divide_background_bias(classifier: Growable, new: Any, shift: bool = True) -> None:
    """Gives new rows the background's bias, after shifting it by ``-log(N + 1)``.

    Args:
        classifier: The classifier; a layer without bias is left alone.
        new: Its newest group, with N rows.
        shift: Whether to shift.
    """
    if new.bias is None:
        return
    background = classifier.background_group.bias
    if shift:
        background[0] -= math.log(len(new.bias) + 1)
    new.bias.copy_(background[:1].expand_as(new.bias))
