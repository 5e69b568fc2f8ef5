"""The distillation of scores: of the softmax (LwF, MiB, LGKD, GSC), of sigmoids (LwF-MC, DKD), and of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import (
    decomposed_distillation,
    label_guided_distillation,
    logit_distillation,
    query_distillation,
    sharp_relation,
    sigmoid_distillation,
    soft_relation,
    unbiased_distillation,
)

from .extra_loss import ExtraLoss, LogitLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


def _needs_background(loss: ExtraLoss, step: Step) -> None:
    if step.num_new and not step.background:
        raise ConfigError(
            f'method.losses: {type(loss).__name__} needs the background channel, which step {step.index} '
            f'does not have (no channel 0 for background). Allowed here: LogitDistillationLoss.'
        )


@MODELS.register_module()
class LogitDistillationLoss(LogitLoss):
    """Distillation of the teacher's softmax into the student's softmax over old channels.

    LwF (ECCV 2016, arXiv 1606.09282), and the output term of ILT; both use a factor of 100.

    Args:
        loss_weight: Factor of the loss.
        resolution: ``'image'`` or ``'logit'``, see :class:`~mmciss.models.losses.extra_loss.LogitLoss`.
    """

    def __init__(self, loss_weight: float = 100.0, resolution: str = 'image') -> None:
        super().__init__(loss_weight, resolution)

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.logit_distillation`."""
        return logit_distillation(logits, teacher_logits, **upsampling)


@MODELS.register_module()
class UnbiasedDistillationLoss(LogitLoss):
    """Distillation whose teacher background covers the new classes.

    MiB (CVPR 2020, arXiv 2002.00718). Without new channels (domain-incremental steps) it is plain distillation.

    Args:
        loss_weight: Factor of the loss; 10 in MiB, 100 in SDR and RCIL.
        alpha: Factor on the teacher's logits.
        resolution: ``'image'`` or ``'logit'``, see :class:`~mmciss.models.losses.extra_loss.LogitLoss`.
    """

    def __init__(self, loss_weight: float = 10.0, alpha: float = 1.0, resolution: str = 'image') -> None:
        super().__init__(loss_weight, resolution)
        self.alpha = alpha

    def check_step(self, step: Step) -> None:
        """Refuses new classes without a background that the teacher could have taken them for."""
        _needs_background(self, step)

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.unbiased_distillation`."""
        return unbiased_distillation(logits, teacher_logits, self.alpha, **upsampling)


REDUCTIONS = ('sum', 'mean')


@MODELS.register_module()
class LabelGuidedDistillationLoss(LogitLoss):
    """Distillation whose teacher background stands for the new class where one is labelled.

    LGKD (ICCV 2023). It reads the labels as given, so that a pixel that a labeler ignores still counts. Without new
    channels (domain-incremental steps) it is cross-entropy towards the teacher's softmax.

    Args:
        prev_weight: Factor of pixels without a new class; 1 to 5 in the release.
        novel_weight: Factor of pixels of a new class; 0 to 20 in the release.
        alpha: Factor on the teacher's logits.
        reduction: Over classes: ``'sum'``, as in LGKD, or ``'mean'``, which weakens the loss as classes come.
        loss_weight: Factor of the whole.
        resolution: ``'logit'``, as in the release, or ``'image'``, see
            :class:`~mmciss.models.losses.extra_loss.LogitLoss`.

    Raises:
        ConfigError: If ``reduction`` is unknown.
    """

    given_labels = True

    def __init__(
        self,
        prev_weight: float = 1.0,
        novel_weight: float = 1.0,
        alpha: float = 1.0,
        reduction: str = 'sum',
        loss_weight: float = 1.0,
        resolution: str = 'logit',
    ) -> None:
        super().__init__(loss_weight, resolution)
        if reduction not in REDUCTIONS:
            raise unknown_name('reduction', reduction, REDUCTIONS, f'{type(self).__name__}.reduction')
        self.prev_weight, self.novel_weight, self.alpha, self.reduction = prev_weight, novel_weight, alpha, reduction

    def check_step(self, step: Step) -> None:
        """Refuses new classes without a background that the teacher could have taken them for."""
        _needs_background(self, step)

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.label_guided_distillation`."""
        loss = label_guided_distillation(
            logits, teacher_logits, target, self.prev_weight, self.novel_weight, self.alpha, **upsampling
        )
        return loss / logits.shape[1] if self.reduction == 'mean' else loss


@MODELS.register_module()
class QueryDistillationLoss(ExtraLoss):
    """Keeps what the teacher's queries say of old classes, see :func:`~mmciss.functional.query_distillation`.

    It compares the last decoder layer.

    Args:
        loss_weight: Factor of the loss.
        focus: Exponent of the weight of a query, which is the probability that the teacher gives to old classes.
    """

    needs = ('queries', 'teacher')

    def __init__(self, loss_weight: float = 1.0, focus: float = 1.0) -> None:
        super().__init__(loss_weight)
        self.focus = focus

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        assert student.queries is not None and teacher.queries is not None
        new, old = student.queries.classes, teacher.queries.classes
        return self.loss_weight * query_distillation(new, old, context.step.background, self.focus)


@MODELS.register_module()
class SoftSharpRelationLoss(LogitLoss):
    """Soft labels that carry the relations between classes, plus a term that sharpens predictions.

    GSC (IEEE TMM 2024, arXiv 2307.10822); :func:`mmciss.functional.soft_relation` says which parts of the formulas are
    certain. Both factors are from related code by the same authors.

    Args:
        soft_weight: Factor of the soft term; 0 leaves it out.
        sharp_weight: Factor of the sharp term; 0 leaves it out.
        loss_weight: Factor of the sum.
    """

    def __init__(self, soft_weight: float = 0.3, sharp_weight: float = 0.1, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight, resolution='image')  # the labels are part of the target
        self.soft_weight = soft_weight
        self.sharp_weight = sharp_weight

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.soft_relation` and :func:`mmciss.functional.sharp_relation`."""
        loss = logits.new_zeros(())
        if self.soft_weight:
            soft = soft_relation(logits, teacher_logits, target, teacher_logits.shape[1], **upsampling)
            loss = loss + self.soft_weight * soft
        if self.sharp_weight:
            loss = loss + self.sharp_weight * sharp_relation(logits, **upsampling)
        return loss


@MODELS.register_module()
class SigmoidDistillationLoss(LogitLoss):
    """Binary cross-entropy towards the teacher's sigmoid, summed over old channels.

    LwF-MC (arXiv 1611.07725 for segmentation): ``loss_weight=10``; the further factor ``C_old`` as published is the sum
    over channels here. DKD (NeurIPS 2022, arXiv 2210.05941): ``loss_weight=5, foreground_only=True``, since DKD has no
    background classifier.

    Args:
        loss_weight: Factor of the loss.
        foreground_only: Whether to leave out the background channel.
        resolution: ``'image'`` or ``'logit'``, see :class:`~mmciss.models.losses.extra_loss.LogitLoss`.
    """

    def __init__(self, loss_weight: float = 10.0, foreground_only: bool = False, resolution: str = 'image') -> None:
        super().__init__(loss_weight, resolution)
        self.foreground_only = foreground_only

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.sigmoid_distillation`."""
        first = int(self.foreground_only and step.background)
        return sigmoid_distillation(logits[:, first:], teacher_logits[:, first:], **upsampling)


@MODELS.register_module()
class DecomposedDistillationLoss(ExtraLoss):
    """Distils the evidence for and the evidence against each old class separately.

    DKD (NeurIPS 2022, arXiv 2210.05941). Logits are split by the sign of the classifier's weights,
    at the resolution of the embedding, which should be non-negative.

    Args:
        positive_weight: Factor of the positive term.
        negative_weight: Factor of the negative term.
        foreground_only: Whether to leave out the background channel; DKD has none.
        loss_weight: Factor of the sum.
    """

    needs: tuple[str, ...] = ('embedding', 'rows', 'teacher')

    def __init__(
        self,
        positive_weight: float = 5.0,
        negative_weight: float = 5.0,
        foreground_only: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.positive_weight = positive_weight
        self.negative_weight = negative_weight
        self.foreground_only = foreground_only

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        assert student.embedding is not None and teacher.embedding is not None
        old = slice(int(self.foreground_only and context.step.background), context.step.num_old)
        positive, negative = decomposed_distillation(
            student.embedding,
            student.classifier.weight[old],
            teacher.embedding,
            teacher.classifier.weight[old].detach(),
        )
        loss = self.positive_weight * positive + self.negative_weight * negative
        return self.loss_weight * loss
