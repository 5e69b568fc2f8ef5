"""New classes start as shares of the background (MiB)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mmciss.models.classifiers.growable import Growable, copy_row
from mmciss.models.initializers.initializer import Initializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext


@INITIALIZERS.register_module()
class BackgroundInitializer(Initializer):
    """Gives new classes the background's row and divides its probability among them.

    With N new classes, ``w_new = w_bg`` and ``b_new = b_bg = b_bg - log(N + 1)`` (Cermelli et al., CVPR 2020, arXiv
    2002.00718; the released code shifts the background too). So the background and each new class start with
    ``1 / (N + 1)`` of the old background's probability, and old classes keep theirs.

    Args:
        bias_shift: Whether ``log(N + 1)`` is subtracted; False copies the background's bias.
        bias: Whether to set biases at all; False leaves them random, as in the release of RCIL.
    """

    def __init__(self, bias_shift: bool = True, bias: bool = True) -> None:
        super().__init__()
        self.bias_shift = bias_shift
        self.bias = bias

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
