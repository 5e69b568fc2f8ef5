"""The sums that a closed-form classifier is solved from."""

from __future__ import annotations

from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError
from mmciss.functional import Correlations, correlations, labels_at, threshold_pseudo_labels
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.structures.random_expansion import ExpandedRows
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class RidgeCorrelations(DataPass):
    """Correlations of random features and labels, over this step's data and that of all steps before.

    SegACIL (arXiv 2412.10834). It runs at the end of a step, when the rows of old classes are still those of the step
    before: their answers are the pseudo labels of background sites.

    Args:
        threshold: Least sigmoid of the score of a pseudo label, where 0.5 is a score of 0; None for labels as they are.
        first_step: The first step that has pseudo labels; 2 is the release's.
    """

    when = 'after'
    needs = ('embedding', 'logits', 'classifier')
    finds = ('autocorrelation', 'cross_correlation')

    def __init__(self, threshold: float | None = 0.5, first_step: int = 1) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise ConfigError(f'method.statistics: threshold must lie between 0 and 1, or be None, found {threshold}')
        self.threshold, self.first_step = threshold, first_step

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with what the steps before left.

        Raises:
            ConfigError: If they left nothing, or the model has no random features.
        """
        super().begin(context, model)
        self.layer = linear_classifier(model.segmentor)[1]
        if not isinstance(self.layer, ExpandedRows):
            raise ConfigError("method.structure: RidgeCorrelations needs random features; set type='RandomExpansion'")
        left = {} if context.previous is None else context.previous.statistics
        if not self.step.is_base and not left.keys() >= set(self.finds):
            raise ConfigError(
                f'method.statistics: step {self.step.index - 1} left no correlations, from which RidgeCorrelations '
                f'goes on; learn it with the same method'
            )
        self.before = Correlations(*(left[name] for name in self.finds)) if not self.step.is_base else None
        self.sums: Correlations | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's sites."""
        assert output.embedding is not None, 'it is among the needs'
        sites = self.layer.sites(output.embedding)
        labels = labels_at(target, sites.shape[-2:], centre=True)
        old = self.step.num_old
        if self.threshold is not None and self.step.background and old > 1 and self.step.index >= self.first_step:
            labels = threshold_pseudo_labels(labels, output.logits[:, :old], self.threshold)
        sums = correlations(sites, labels, self.layer.projection.flatten(1), self.step.num_seen)
        self.sums = sums if self.sums is None else self.sums.plus(sums)

    def finish(self) -> dict[str, Tensor]:
        """Returns ``autocorrelation (E, E)`` and ``cross_correlation (C, E)`` over all steps so far."""
        auto, cross = (sum_over_ranks(None if self.sums is None else item) for item in self.sums or (None, None))
        assert auto is not None and cross is not None, 'every step has an image'
        sums = Correlations(auto.cpu(), cross.cpu())
        return dict(zip(self.finds, sums if self.before is None else self.before.plus(sums), strict=True))
