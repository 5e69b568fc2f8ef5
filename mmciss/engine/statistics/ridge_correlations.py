"""The sums that a closed-form classifier is solved from."""

from __future__ import annotations

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError
from mmciss.functional import Correlations, correlations, labels_at, threshold_pseudo_labels
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.structures.expanded_rows import ExpandedRows
from mmciss.models.teacher import Teacher
from mmciss.protocols.labels import IGNORE
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class RidgeCorrelations(DataPass):
    """Correlations of random features and labels, over this step's data and that of all steps before.

    SegACIL (arXiv 2412.10834). It runs at the end of a step, when the rows of old classes are still those of the step
    before: their answers are the pseudo labels of background sites.

    A step before that has an ordinary classifier left no sums (a finished model, see :mod:`mmciss.extend`). Then the
    images on which an old class is labelled stand for its data, with such a weight that an old class has as many sites
    as a new one, on average: how much there was of the old data is not known. A few images that count often say less
    than as many different ones would; so they bring a weight of the rows' squared norm with them.

    Args:
        threshold: Least sigmoid of the score of a pseudo label, where 0.5 is a score of 0; None for labels as they are.
        first_step: The first step that has pseudo labels; 2 is the release's.
        prior: How many of the images that stand for old data that weight is worth.
        background: How much a site of the background counts, where one of a class counts 1. There are most of them,
            and a regression that weighs all alike gives them the sites that are in doubt, which an IoU averaged over
            classes pays for; besides, labels are least reliable there.
        mirror: Whether every second site is that of the mirror image, which costs one more forward pass.
    """

    when = 'after'
    needs = ('embedding', 'logits', 'classifier')
    finds = ('autocorrelation', 'cross_correlation')

    def __init__(
        self,
        threshold: float | None = 0.5,
        first_step: int = 1,
        prior: float = 1.0,
        background: float = 1.0,
        mirror: bool = False,
    ) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise ConfigError(f'method.statistics: threshold must lie between 0 and 1, or be None, found {threshold}')
        if prior < 0:
            raise ConfigError(f'method.statistics: prior must not be negative, found {prior}')
        if background <= 0:
            raise ConfigError(f'method.statistics: background must be positive, found {background}')
        self.threshold, self.first_step = threshold, first_step
        self.prior, self.background, self.mirror = prior, background, mirror

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
        self.from_exemplars = not self.step.is_base and not self.layer.is_solved
        if not (self.step.is_base or self.from_exemplars or left.keys() >= set(self.finds)):
            raise ConfigError(
                f'method.statistics: step {self.step.index - 1} left no correlations, from which RidgeCorrelations '
                f'goes on; learn it with the same method'
            )
        self.before = Correlations(*(left[name] for name in self.finds)) if left else None
        self.sums: dict[str, Correlations] = {}
        self.counts = torch.zeros(self.step.num_seen, dtype=torch.float64)
        self.num_exemplars = torch.zeros((), dtype=torch.float64)

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's sites."""
        self._add(target, output, 0)
        if self.mirror:
            self._add(target.flip(-1), self.model(inputs.flip(-1)), 1)

    def _add(self, target: Tensor, output: SegOutput, parity: int) -> None:
        assert output.embedding is not None, 'it is among the needs'
        features = self.layer.expand(output.embedding)
        labels = labels_at(target, features.shape[-2:], centre=True)
        if self.mirror:
            labels = labels.masked_fill(~checkerboard(labels, parity), IGNORE)
        old, first = self.step.num_old, int(self.step.background)
        exemplars = torch.zeros(len(target), dtype=torch.bool, device=target.device)
        if self.from_exemplars:
            exemplars = ((target >= first) & (target < old)).flatten(1).any(1)
            self.num_exemplars += int(exemplars.sum()) * (1 - parity)
        if self.threshold is not None and self.step.background and old > 1 and self.step.index >= self.first_step:
            scores, probability = output.logits[:, :old], 'sigmoid'
            if self.from_exemplars:  # an ordinary classifier, with a softmax
                scores, probability = output.logits_at(features.shape[-2:])[:, :old], 'softmax'
            pseudo = threshold_pseudo_labels(labels, scores, self.threshold, probability=probability)
            labels = torch.where(exemplars[:, None, None], labels, pseudo)
        weights = [self.background] * first + [1.0] * (self.step.num_seen - first)
        for name, chosen in (('new', ~exemplars), ('exemplars', exemplars)):
            if not chosen.any():
                continue
            found = labels.masked_fill(~chosen[:, None, None], IGNORE)  # features[chosen] would be a copy
            sums = correlations(features, found, self.step.num_seen, weights)
            self.sums[name] = sums.plus(self.sums[name]) if name in self.sums else sums
            own = (found >= first) & (found < old) if name == 'exemplars' else (found >= old)
            seen = found[own & (found < self.step.num_seen)]
            self.counts += seen.bincount(minlength=self.step.num_seen).to(self.counts)

    def finish(self) -> dict[str, Tensor]:
        """Returns ``autocorrelation (E, E)`` and ``cross_correlation (C, E)`` over all steps so far.

        Raises:
            ConfigError: If the step before left no sums, and not every old class is labelled in an image.
        """
        sums = self._total('new')
        if self.from_exemplars:
            counts = sum_over_ranks(self.counts)
            assert counts is not None
            old, new = counts[int(self.step.background) : self.step.num_old], counts[self.step.num_old :]
            missing = [
                name
                for name, count in zip(self.step.names[int(self.step.background) :], old.tolist(), strict=False)
                if not count
            ]
            exemplars = self._total('exemplars')
            if missing or exemplars is None:
                raise ConfigError(
                    f'method.statistics: the step before left no correlations, from which RidgeCorrelations goes on, '
                    f'and no image shows a labelled {", ".join(missing)}; give images of every old class '
                    f'(--exemplar-images), or learn the step before with the same method'
                )
            number = sum_over_ranks(self.num_exemplars)
            assert number is not None
            exemplars = exemplars.shrunk(self.prior / float(number)).times(float(new.mean() / old.mean()))
            sums = exemplars if sums is None else sums.plus(exemplars)
        assert sums is not None, 'every step has an image'
        sums = sums if self.before is None else self.before.plus(sums)
        return dict(zip(self.finds, sums, strict=True))

    def _total(self, name: str) -> Correlations | None:
        auto, cross = (sum_over_ranks(item) for item in self.sums.get(name, (None, None)))
        return None if auto is None or cross is None else Correlations(auto.cpu(), cross.cpu())


def checkerboard(labels: Tensor, parity: int) -> Tensor:
    """Returns the sites ``(N, h, w)`` whose row and column add up to an even number, or an odd one."""
    rows, columns = (torch.arange(size, device=labels.device) for size in labels.shape[-2:])
    return ((rows[:, None] + columns) % 2 == parity).expand_as(labels)
