"""New classes start at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmciss.models.classifiers.growable import Growable
from mmciss.models.initializers.initializer import Initializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext


@INITIALIZERS.register_module()
class RandomInitializer(Initializer):
    """Draws new rows as torch does for a new layer: uniformly within ±1 / sqrt(D) for a 1x1 kernel.

    Used by fine-tuning, LwF, LwF-MC, ILT and SDR.
    """

    needs_background = False

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Draws the rows."""
        new.reset_parameters()
