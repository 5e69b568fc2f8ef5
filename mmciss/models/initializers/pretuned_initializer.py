"""New classes start with rows that a pass over the data has found: learned (NeST), or fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmciss.errors import unknown_name
from mmciss.functional import with_mean_norm
from mmciss.models.classifiers.growable import Growable
from mmciss.models.initializers.background_initializer import BackgroundInitializer
from mmciss.models.initializers.initializer import Initializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext


BIAS_SCALES = ('mean', 'vector')


@INITIALIZERS.register_module()
class PretunedInitializer(Initializer):
    """Hands over the rows of :class:`~mmciss.engine.statistics.RowPretuning`.

    NeST (ECCV 2024, arXiv 2407.14142). New rows get the mean norm of the old ones, and the learned background row the
    norm that it had. Its bias stays. A classifier without learned rows, such as that of an auxiliary head, starts as in
    MiB.

    Args:
        bias_scale: New biases get the ``'mean'`` absolute value of the old ones, or the norm of their whole
            ``'vector'``, as in the release, which makes them larger the fewer classes are new.

    Raises:
        ConfigError: If ``bias_scale`` is unknown.
    """

    needs: tuple[str, ...] = ('rows', 'statistics.pretuned_rows')

    def __init__(self, bias_scale: str = 'mean') -> None:
        super().__init__()
        if bias_scale not in BIAS_SCALES:
            raise unknown_name('scale', bias_scale, BIAS_SCALES, 'method.initializer.bias_scale')
        self.bias_scale = bias_scale
        self.without_rows = BackgroundInitializer()

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Copies the rows, scaled."""
        found = context.statistic('pretuned_rows', self)
        if name not in found:
            self.without_rows.start(classifier, new, context, name)
            return
        learned, num_old = found[name], context.step.num_old
        old, background = classifier.weight[:num_old].flatten(1), classifier.background_group.weight[:1]
        row = with_mean_norm(learned['background'][None].to(old), old[:1])
        background.copy_(row.view_as(background))
        new.weight.copy_(with_mean_norm(learned['weight'].to(old), old).view_as(new.weight))
        biases = classifier.bias
        if biases is not None:
            # Each number is a row of one channel, or all are one row.
            shape = (-1, 1) if self.bias_scale == 'mean' else (1, -1)
            scaled = with_mean_norm(learned['bias'].to(old).reshape(shape), biases[:num_old].reshape(shape))
            new.bias.copy_(scaled.flatten())


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
