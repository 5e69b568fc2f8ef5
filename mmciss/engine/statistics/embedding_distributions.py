"""Where the embeddings of each class lie when a step ends."""

from __future__ import annotations

from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.functional import EmbeddingSums, embedding_sums
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
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
