"""Where the features of each class lie, and how far those of old classes have moved in a step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError
from mmciss.functional import EmbeddingSums, class_sums, embedding_sums, labels_at, two_best
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class EmbeddingDistributions(DataPass):
    """Mean direction, spread and norm of each labelled class's embeddings, measured with the trained model.

    STAR (NeurIPS 2023): see :class:`mmciss.functional.EmbeddingDistribution`. Sums are those of all ranks.
    """

    when = 'after'
    needs: tuple[str, ...] = ('embedding',)
    finds: tuple[str, ...] = ('embedding_distribution',)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty sums."""
        super().begin(context, model)
        self.sums: EmbeddingSums | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch."""
        assert output.embedding is not None
        batch = embedding_sums(output.embedding, target, self.step.num_seen)
        self.sums = batch if self.sums is None else self.sums.plus(batch)

    def finish(self) -> dict[str, dict[str, Tensor]]:
        """Returns ``embedding_distribution``: the fields of the distribution, and ``counts (C,)`` of sites."""
        own = self.sums or (None,) * len(EmbeddingSums._fields)
        totals = [sum_over_ranks(item) for item in own]
        sums = EmbeddingSums(*(item for item in totals if item is not None))
        return {'embedding_distribution': {'counts': sums.counts, **sums.distribution()._asdict()}}


@STATISTICS.register_module()
class EmbeddingDeviation(DataPass):
    """Mean direction of each old class by the trained model, without that by the teacher, on the same sites.

    The adaptive deviation compensation of Adapter (AAAI 2025). Sites are background to the labels, and both models see
    the same old class there, far ahead of the next one.

    Args:
        gap: Least difference between the two largest probabilities, for both models.

    Raises:
        ConfigError: If the gap is no probability.
    """

    when = 'after'
    needs: tuple[str, ...] = ('logits', 'embedding', 'teacher')
    finds: tuple[str, ...] = ('embedding_deviation',)

    def __init__(self, gap: float = 0.7) -> None:
        if not 0 <= gap < 1:
            raise ConfigError(f'method.statistics.*.gap must lie in [0, 1), found {gap}')
        self.gap = gap

    def applies(self, step: Step) -> bool:
        """Only steps with old and new classes have something to compare."""
        return bool(step.num_old and step.num_new)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty sums."""
        super().begin(context, model)
        self.sums: Tensor | None = None
        self.counts: Tensor | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the directions of the batch, those of the teacher first."""
        assert self.context.teacher is not None, 'the hook attaches it'
        old = self.context.teacher(inputs)
        assert old.embedding is not None and output.embedding is not None
        size = output.embedding.shape[-2:]
        seen = torch.where(target == 0, self._sure_class(output, target), 0)
        seen = torch.where(seen == self._sure_class(old, target), seen, 0)
        labels = labels_at(seen, size, centre=True)
        units = [F.normalize(item.embedding.double(), dim=1) for item in (old, output) if item.embedding is not None]
        sums, counts = class_sums(torch.cat(units, 1), labels, self.step.num_old)
        self.sums = sums if self.sums is None else self.sums + sums
        self.counts = counts if self.counts is None else self.counts + counts

    def _sure_class(self, output: SegOutput, target: Tensor) -> Tensor:
        first, second, channel = two_best(output.logits_at(target.shape[-2:]))
        return torch.where(first - second > self.gap, channel, 0)

    def finish(self) -> dict[str, dict[str, Tensor]]:
        """Returns ``embedding_deviation``: ``deviation (C_old, D)``, and ``counts (C_old,)`` of sites, 0 first."""
        sums, counts = sum_over_ranks(self.sums), sum_over_ranks(self.counts)
        assert sums is not None and counts is not None
        counts[0] = 0  # not sure of any class
        old, new = (F.normalize(item, dim=1) for item in sums.chunk(2, 1))
        return {'embedding_deviation': {'deviation': (new - old) * (counts > 0).unsqueeze(1), 'counts': counts}}


@STATISTICS.register_module()
class ClassPrototypes(DataPass):
    """Mean feature per old channel, over the background pixels that the teacher assigns to it.

    GSC (arXiv 2307.10822), reconstructed: see :func:`mmciss.functional.rectified_log_probabilities`. A channel that the
    teacher never predicts has no mean: its prototype is NaN, and no pixel gets its label.

    Args:
        layer: Module whose output ``(N, D, h, w)`` is averaged; of several maps the last.
    """

    needs: tuple[str, ...] = ('logits', 'features')
    finds: tuple[str, ...] = ('prototypes', 'prototype_counts')

    def __init__(self, layer: str) -> None:
        self.layers = (layer,)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty sums."""
        super().begin(context, model)
        self.sums: Tensor | None = None
        self.counts: Tensor | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's features."""
        features = output.maps(self.layers)[-1]
        small = labels_at(target, features.shape[-2:])
        predicted = output.logits_at(features.shape[-2:]).argmax(1)
        labels = torch.where(small == 0, predicted, 255)
        batch = class_sums(features, labels, self.step.num_old)
        self.sums = batch.sums.double() if self.sums is None else self.sums + batch.sums
        self.counts = batch.counts if self.counts is None else self.counts + batch.counts

    def finish(self) -> dict[str, Tensor]:
        """Returns ``prototypes (C_old, D)`` and ``prototype_counts (C_old,)``."""
        sums, counts = sum_over_ranks(self.sums), sum_over_ranks(self.counts)
        assert sums is not None and counts is not None, 'every step has an image'
        means = sums / counts.unsqueeze(1)  # 0 / 0 is NaN
        return {'prototypes': means.float(), 'prototype_counts': counts}
