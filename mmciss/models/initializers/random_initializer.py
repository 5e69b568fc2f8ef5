"""New classes start at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from mmciss.errors import unknown_name
from mmciss.models.classifiers.growable import Growable
from mmciss.models.initializers.initializer import Initializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext

WEIGHTS = ('uniform', 'kaiming_normal')


@INITIALIZERS.register_module()
class RandomInitializer(Initializer):
    """Draws new rows as torch does for a new layer: uniformly within ±1 / sqrt(D) for a 1x1 kernel.

    Used by fine-tuning, LwF, LwF-MC, ILT and SDR.

    Args:
        weight: ``'uniform'`` for the above; ``'kaiming_normal'`` draws weights with a standard deviation of
            sqrt(2 / D), as STAR does, and biases as before.

    Raises:
        ConfigError: If ``weight`` is neither.
    """

    needs_background = False

    def __init__(self, weight: str = 'uniform') -> None:
        super().__init__()
        if weight not in WEIGHTS:
            raise unknown_name('distribution', weight, WEIGHTS, 'method.initializer.weight')
        self.weight = weight

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Draws the rows."""
        new.reset_parameters()
        if self.weight == 'kaiming_normal':
            for name, parameter in new.named_parameters():
                if name.endswith('weight'):
                    nn.init.kaiming_normal_(parameter)
