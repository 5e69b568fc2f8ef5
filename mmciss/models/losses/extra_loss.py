"""The base classes of the losses that a method adds to the main loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.models.slot import Slot

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step

RESOLUTIONS = ('image', 'logit')


class ExtraLoss(Slot):
    """Base class of extra losses.

    A subclass lists what it reads in ``needs``, see :class:`~mmciss.models.slot.Slot`. Most compare student and
    teacher.

    Args:
        loss_weight: Factor of the loss, applied by the loss itself.
        layers: Names, relative to the segmentor, of the modules whose output it reads; a single name needs no list. See
            :class:`~mmciss.models.taps.FeatureTap`.

    Attributes:
        given_labels: Whether it sees the labels as given, not as the method's labeler completed them.
    """

    needs: tuple[str, ...] = ('logits', 'teacher')
    given_labels: bool = False

    def __init__(self, loss_weight: float = 1.0, layers: str | Iterable[str] = ()) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.layers = (layers,) if isinstance(layers, str) else tuple(layers)

    def paired_maps(
        self, student: SegOutput, teacher: SegOutput, key: str = 'method.losses'
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the maps of both models: those of ``layers``, the embedding and the logits.

        Args:
            student: Output of the model that learns.
            teacher: Output of the model of the previous step.
            key: The config key of the loss.

        Raises:
            ConfigError: If a module gives different maps in training (DDRNet, PIDNet).
        """
        assert student.embedding is not None and teacher.embedding is not None
        new, old = self.tapped_maps(student, teacher, key)
        return [*new, student.embedding, student.logits], [*old, teacher.embedding, teacher.logits]

    def tapped_maps(
        self, student: SegOutput, teacher: SegOutput, key: str = 'method.losses'
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the maps of ``layers`` alone, see :meth:`paired_maps`."""
        new, old = student.maps(self.layers), teacher.maps(self.layers)
        if len(new) != len(old):
            raise ConfigError(
                f'{key}: {type(self).__name__}.layers={list(self.layers)} gives {len(new)} maps in '
                f'training and {len(old)} in tests; name modules that give the same maps in both, or none: '
                f'--cfg-options "{key}.layers=[]" compares only embedding and logits'
            )
        return new, old

    def __call__(self, student: SegOutput, teacher: Any, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch; 0 without a teacher that it needs."""
        if teacher is None and 'teacher' in self.needs:
            return student.logits.new_zeros(())
        return super().__call__(student, teacher, target, context)

    def forward(self, student: SegOutput, teacher: Any, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch.

        Args:
            student: Output of the model that learns.
            teacher: Output of the model of the previous step; None at the base step, for losses that do not need it.
            target: Channels or 255, shape ``(N, H, W)``.
            context: The step's context; ``context.step`` says which classes are old and new.
        """
        raise NotImplementedError


class LogitLoss(ExtraLoss):
    """Base class of extra losses that compare the logits of student and teacher.

    Args:
        loss_weight: Factor of the loss.
        resolution: ``'image'`` compares logits upsampled to the size of the labels, as the papers do; ``'logit'``
            compares them as the head gives them, at 256 times fewer positions for output stride 16.

    Raises:
        ConfigError: If ``resolution`` is unknown.
    """

    def __init__(self, loss_weight: float = 1.0, resolution: str = 'image') -> None:
        super().__init__(loss_weight)
        if resolution not in RESOLUTIONS:
            raise unknown_name('resolution', resolution, RESOLUTIONS, f'{type(self).__name__}.resolution')
        self.resolution = resolution

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """Returns the unweighted loss, a scalar.

        Args:
            logits: The student's scores as its head gives them, shape ``(N, C, h, w)``.
            teacher_logits: The teacher's.
            target: Channels or 255, shape ``(N, H, W)``.
            step: Which classes are old and new.
            **upsampling: ``size`` to which both are upsampled first, None for no upsampling, and ``align_corners``. The
                functions of :mod:`mmciss.functional` accept both, and never build the upsampled map.
        """
        raise NotImplementedError

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        size = None if self.resolution == 'logit' else target.shape[-2:]
        return self.loss_weight * self.compare(
            student.logits, teacher.logits, target, context.step, size=size, align_corners=student.align_corners
        )
