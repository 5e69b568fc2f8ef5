"""The face of a pass over the data."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmciss.models.outputs import SegOutput
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step


class DataPass:
    """Collects a statistic while the teacher runs once over the step's training images.

    Subclasses register in :data:`mmciss.registry.STATISTICS`. One object serves one pass:
    :meth:`begin`, then :meth:`update` for every batch of this rank (there may be none), then
    :meth:`finish`, which must combine the ranks.

    Attributes:
        needs: Out of ``('logits', 'embedding', 'features', 'classifier')``.
        layers: Names of modules, relative to the segmentor, whose output :meth:`update` wants in
            ``features``.
        requires: Names of statistics that must be known before this pass begins; :meth:`begin`
            finds them in ``self.found``.
    """

    needs: tuple[str, ...] = ('logits',)
    layers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def applies(self, step: Step) -> bool:
        """Whether a step needs the statistic; without new classes the background hides none."""
        return bool(step.num_new)

    def begin(self, step: Step, teacher: Teacher, found: dict[str, Any] | None = None) -> None:
        """Prepares for the pass.

        Args:
            step: The step about to be learned.
            teacher: The model of the step before.
            found: Statistics of earlier passes.
        """
        self.step = step
        self.teacher = teacher
        self.found = found or {}

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
