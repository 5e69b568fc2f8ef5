"""Rows of new classes that are fitted beside those of a finished model."""

from __future__ import annotations

import math

import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass
from mmciss.errors import ConfigError
from mmciss.functional import fit_new_rows, labels_at
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class FittedRows(DataPass):
    """Fits the rows of new classes to the step's sites, see :func:`mmciss.functional.fit_new_rows`.

    The embedding and the old rows stay; the fit starts at MiB's shares of the background.

    Args:
        distillation: Weight of the distillation to the old scores, as in MiB.
        penalty: Weight of the distance to the start.
        most_sites: How many sites are kept in memory, chosen at random, over all ranks.
    """

    needs = ('embedding', 'logits', 'rows')
    finds = ('fitted_rows',)

    def __init__(self, distillation: float = 10.0, penalty: float = 1e-4, most_sites: int = 200_000) -> None:
        for key, value in (('penalty', penalty), ('most_sites', most_sites)):
            if value <= 0:
                raise ConfigError(f'method.statistics: {key} of FittedRows must be positive, found {value}')
        if distillation < 0:
            raise ConfigError(
                f'method.statistics: distillation of FittedRows must not be negative, found {distillation}'
            )
        self.distillation, self.penalty, self.most_sites = distillation, penalty, most_sites

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with no site."""
        super().begin(context, model)
        self.generator = torch.Generator().manual_seed(0)
        self.sites: list[Tensor] = []

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Keeps sites of the batch: a random number, label, score of the old classes, of the background, embedding."""
        assert output.embedding is not None, 'it is among the needs'
        old = self.step.num_old
        labels = labels_at(target, output.embedding.shape[-2:], centre=True)
        inside = labels < self.step.num_seen
        columns = (
            (labels[inside] - old).clamp(min=-1)[:, None],
            output.logits[:, :old].logsumexp(1)[inside][:, None],
            output.logits[:, 0][inside][:, None],
            output.embedding.movedim(1, -1)[inside],
        )
        found = torch.cat([column.float().cpu() for column in columns], 1)
        key = torch.rand(len(found), 1, generator=self.generator)
        self.sites.append(torch.cat([key, found], 1))
        if sum(map(len, self.sites)) > 2 * self.most_sites:
            self.sites = [self._chosen(self.sites)]

    def _chosen(self, sites: list[Tensor]) -> Tensor:
        joined = torch.cat(sites)
        return joined[joined[:, 0].argsort()[: self.most_sites]]

    def finish(self) -> dict[str, Tensor]:
        """Returns ``fitted_rows (N, D + 1)``, biases in the last column."""
        everywhere = [
            item for rank in all_gather_object([self._chosen(self.sites)] if self.sites else []) for item in rank
        ]
        sites = self._chosen(everywhere)
        classifier = linear_classifier(self.model.segmentor)[1]
        row = classifier.weight[0].flatten().float().cpu()
        bias = 0.0 if classifier.bias is None else float(classifier.bias[0])
        share = row.new_tensor([bias - math.log(self.step.num_new + 1)])
        start = torch.cat([row, share]).repeat(self.step.num_new, 1)
        rows = fit_new_rows(
            sites[:, 4:],
            sites[:, 1].long(),
            sites[:, 2],
            sites[:, 3],
            start,
            self.distillation / self.step.num_old,
            self.penalty,
        )
        return {'fitted_rows': rows}
