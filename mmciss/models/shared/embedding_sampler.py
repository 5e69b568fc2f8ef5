"""Samplers: how embeddings of old classes are drawn, by STAR and by its second version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import unknown_name
from mmciss.functional import replay_features, sphere_noise
from mmciss.functional.feature_replay import NORM_NOISES
from mmciss.functional.processes import sum_over_processes

if TYPE_CHECKING:
    from mmciss.functional import EmbeddingDistribution
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


class EmbeddingSampler(nn.Module):
    """Base class: draws embeddings for :class:`~mmciss.models.shared.feature_replay.FeatureReplay`.

    What a sampler remembers of the classes lies in its buffers, which are part of the replay's state.

    Attributes:
        needs: What it reads beside the replay's distributions, as of :class:`~mmciss.models.slot.Slot`.
    """

    needs: tuple[str, ...] = ()

    def prepare(self, step: Step, width: int) -> None:
        """Makes room for the classes seen so far, with embeddings of ``width`` channels."""

    def begin(self, left: dict[str, Any]) -> None:
        """Goes on from what the previous step left, ``'sampler.NAME'`` in ``left``."""

    def adopt(self, context: StepContext) -> None:
        """Takes what passes halfway through training or after it found."""

    def prototypes(self, known: EmbeddingDistribution) -> Tensor:
        """Returns where new classes must not be, unit vectors ``(C_old, D)`` as a rule."""
        return known.prototype

    def draw(self, known: EmbeddingDistribution, amounts: Tensor, sites: Tensor) -> Tensor:
        """Draws embeddings of old classes.

        Args:
            known: Where the embeddings of the old classes lay.
            amounts: How many of each, ``(C_old,)``, int64.
            sites: Embeddings of the batch, without gradient, ``(S, D)``.

        Returns:
            Shape ``(n, D)``.
        """
        raise NotImplementedError(f'{type(self).__name__} has no draw()')


@MODELS.register_module()
class PrototypeSampler(EmbeddingSampler):
    """Draws a direction around the prototype, channel by channel, and a norm: STAR (NeurIPS 2023).

    Args:
        norm_noise: See :func:`mmciss.functional.replay_features`.

    Raises:
        ConfigError: If the noise is unknown.
    """

    def __init__(self, norm_noise: str = 'channel') -> None:
        super().__init__()
        if norm_noise not in NORM_NOISES:
            raise unknown_name('noise', norm_noise, NORM_NOISES, 'method.shared.*.sampler.norm_noise')
        self.norm_noise = norm_noise

    def draw(self, known: EmbeddingDistribution, amounts: Tensor, sites: Tensor) -> Tensor:
        """Draws embeddings; those of the batch are not read."""
        return replay_features(known, amounts, self.norm_noise)


@MODELS.register_module()
class SphereSampler(EmbeddingSampler):
    """Draws directions on a sphere around the prototype, with the mean norm of the batch: STAR (TPAMI 2025), basic.

    See :func:`mmciss.functional.sphere_noise`. One distance serves all classes, the mean of their root mean square
    distances from their prototypes. The stored norms are not read.
    """

    def draw(self, known: EmbeddingDistribution, amounts: Tensor, sites: Tensor) -> Tensor:
        """Draws embeddings of one length, the mean over the batches of all processes."""
        present = known.spread.any(1) | known.prototype.any(1)
        distance = known.spread.norm(dim=1)[present].mean()
        total = sum_over_processes(torch.stack([sites.norm(dim=1).sum(), sites.new_tensor(float(len(sites)))]))
        directions = sphere_noise(known.prototype.repeat_interleave(amounts, 0), distance)
        return total[0] / total[1] * directions
