"""CoGaMiD's distillation of densities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.functional import GaussianMixture, masked_feature_distillation
from mmciss.models.shared.embedding_sampler import MixtureSampler

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


def relative_densities(embedding: Tensor, mixtures: GaussianMixture) -> Tensor:
    """Returns log densities under mixtures, of unit length over the classes, ``(N, C, h, w)`` of ``(N, D, h, w)``."""
    sites = embedding.permute(0, 2, 3, 1).flatten(0, 2)
    densities = F.normalize(mixtures.log_density(sites), dim=1)
    return densities.unflatten(0, (len(embedding), *embedding.shape[-2:])).permute(0, 3, 1, 2)


@MODELS.register_module()
class DensityDistillationLoss(ExtraLoss):
    r"""Keeps what the old classes' mixtures say of an embedding where the teacher sees an old class in the background.

    CoGaMiD (NeurIPS 2025): the mean square of the change of
    :math:`\log p_c(f) / \lVert \log p(f) \rVert_2` over old classes, on the sites of
    :class:`~mmciss.models.losses.MaskedFeatureDistillationLoss`. ``method.shared.replay`` must have a
    :class:`~mmciss.models.shared.MixtureSampler`.

    Args:
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'teacher', 'shared.replay', 'statistics.embedding_mixtures')

    def __init__(self, loss_weight: float = 5.0) -> None:
        super().__init__(loss_weight)

    def prepare(self, context: StepContext) -> None:
        """Refuses a replay without mixtures.

        Raises:
            ConfigError: Naming the sampler.
        """
        sampler = context.shared['replay'].sampler
        if not isinstance(sampler, MixtureSampler):
            raise ConfigError(
                f'method.{self.key}: DensityDistillationLoss needs a MixtureSampler in method.shared.replay.sampler, '
                f'found {type(sampler).__name__}'
            )

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without mixtures."""
        replay = context.shared['replay']
        mixtures = replay.sampler.mixtures.of(slice(context.step.num_old))
        mixtures = mixtures.of(mixtures.known)
        if not len(mixtures.weight):
            return student.logits.new_zeros(())
        assert student.embedding is not None and teacher.embedding is not None
        mask = (target == 0) & (replay.seen_by(teacher, target.shape[-2:]) > 0)
        new, old = (relative_densities(item, mixtures) for item in (student.embedding, teacher.embedding))
        return self.loss_weight * masked_feature_distillation(new, old, mask).to(student.logits)
