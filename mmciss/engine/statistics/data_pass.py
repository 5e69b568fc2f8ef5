"""The face of a pass over the data."""
from __future__ import annotations

from typing import Any

from torch import Tensor

from mmciss.models.outputs import SegOutput
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step


class DataPass:
    """Collects a statistic while the teacher runs once over the step's training images.

    Subclasses register in :data:`mmciss.registry.STATISTICS`. One object serves one pass: :meth:`begin`, then
    :meth:`update` for every batch of this rank, then :meth:`finish`, which must combine the ranks.

    Attributes:
        needs: Out of ``('logits', 'embedding', 'features', 'classifier')``.
        layers: Names of modules, relative to the segmentor, whose output :meth:`update` wants in ``features``.
    """

    needs: tuple[str, ...] = ('logits',)
    layers: tuple[str, ...] = ()

    def begin(self, step: Step, teacher: Teacher) -> None:
        """Prepares for the pass."""
        self.step = step
        self.teacher = teacher

    def update(self, inputs: Tensor, target: Tensor, teacher: SegOutput) -> None:
        """Takes in one batch.

        Args:
            inputs: Preprocessed images ``(N, 3, H, W)``.
            target: Labels of the step ``(N, H, W)``.
            teacher: What the teacher says about them.
        """
        raise NotImplementedError(f'{type(self).__name__} has no update()')

    def finish(self) -> dict[str, Any]:
        """Combines the ranks and returns tensors by name; they are saved with the step."""
        raise NotImplementedError(f'{type(self).__name__} has no finish()')
