"""Keeps new classes apart from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.functional import class_orthogonality
from mmciss.models.classifiers.grown_parameters import class_tokens
from mmciss.models.outputs import main_classifier, main_head

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


def class_vectors(segmentor: BaseSegmentor) -> Tensor | None:
    """Returns a vector for each class ``(C, D)``, with gradient: tokens of the main head, or rows of its classifier.

    None if it has neither, or if the rows do not share one embedding.
    """
    tokens = class_tokens(main_head(segmentor)[1])
    if tokens is not None:
        return tokens
    found = main_classifier(segmentor)
    if found is None or not getattr(found[1], 'linear', True):
        return None
    return found[1].weight[: found[1].out_channels].flatten(1)


@MODELS.register_module()
class ClassOrthogonalityLoss(ExtraLoss):
    """Pushes the vectors of new classes away from those of all others, times the share of classes that are new.

    MBS (ECCV 2024), where these are Segmenter's tokens: see :func:`mmciss.functional.class_orthogonality`. On other
    heads they are the rows of the linear classifier, which is our own variant.

    Args:
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ()

    def prepare(self, context: StepContext) -> None:
        """Refuses a model without a vector for each class.

        Raises:
            ConfigError: Naming the head.
        """
        assert context.model is not None
        segmentor = context.model.segmentor
        if class_vectors(segmentor) is None:
            raise ConfigError(
                f'method.{self.key}: ClassOrthogonalityLoss needs class tokens or a single linear classifier '
                f"('conv_seg') without method.structure, which {type(segmentor.decode_head).__name__} "
                f'(model.decode_head) does not have'
            )

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss, which depends on the step's classes only."""
        assert context.model is not None
        vectors, step = class_vectors(context.model.segmentor), context.step
        assert vectors is not None
        return self.loss_weight * step.num_new / step.num_seen * class_orthogonality(vectors, step.num_old)
