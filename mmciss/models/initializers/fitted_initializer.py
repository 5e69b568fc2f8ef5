"""New classes start with rows that were fitted, and are finished with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmciss.models.classifiers.growable import Growable
from mmciss.models.initializers.background_initializer import BackgroundInitializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext


@INITIALIZERS.register_module()
class FittedInitializer(BackgroundInitializer):
    """Takes the rows of :class:`~mmciss.engine.statistics.fitted_rows.FittedRows`; nothing is trained after that.

    Auxiliary heads, which answer nothing, start as in MiB.
    """

    needs = ('statistics.fitted_rows',)
    solved = True

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Copies rows and biases."""
        if name and not name.startswith('decode_head'):
            super().start(classifier, new, context, name)
            return
        rows = context.statistic('fitted_rows', self, new.weight)
        new.weight.copy_(rows[:, :-1].view_as(new.weight))
        if new.bias is not None:
            new.bias.copy_(rows[:, -1])
