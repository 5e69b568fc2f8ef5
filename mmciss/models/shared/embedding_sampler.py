"""Draws embeddings of old classes: around their mean directions, or from mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import GaussianMixture, fit_mixture, replay_features, sphere_noise
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


@MODELS.register_module()
class MixtureSampler(EmbeddingSampler):
    """Draws from a mixture of Gaussians per class, with diagonal covariances: CoGaMiD (NeurIPS 2025).

    A class costs ``K (1 + 2 D)`` numbers. One with fewer sites than ``minimum`` has a single Gaussian; one without a
    mixture is drawn as STAR draws it. Needs the pass :class:`~mmciss.engine.statistics.EmbeddingMixtures`.

    Args:
        components: Number K of Gaussians.
        iterations: Updates of expectation maximisation.
        minimum: Least number of sites for more than one Gaussian.

    Raises:
        ConfigError: If there are no components or iterations.
    """

    needs: tuple[str, ...] = ('statistics.embedding_mixtures',)
    weight: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, components: int = 3, iterations: int = 30, minimum: int = 30) -> None:
        super().__init__()
        for name, value in (('components', components), ('iterations', iterations)):
            if value < 1:
                raise ConfigError(f'method.shared.*.sampler.{name} must be at least 1, found {value}')
        self.components, self.iterations, self.minimum = components, iterations, minimum

    @property
    def mixtures(self) -> GaussianMixture:
        """The mixtures of all classes seen, by channel."""
        return GaussianMixture(self.weight, self.mean, self.variance)

    def prepare(self, step: Step, width: int) -> None:
        """Makes room for the mixtures."""
        self.num_old = step.num_old
        shape = (step.num_seen, self.components)
        self.register_buffer('weight', torch.zeros(shape))
        self.register_buffer('mean', torch.zeros(*shape, width))
        self.register_buffer('variance', torch.zeros(*shape, width))

    def begin(self, left: dict[str, Any]) -> None:
        """Takes over the mixtures, if the previous step had any.

        Raises:
            ConfigError: If they have another number of Gaussians.
        """
        for name in GaussianMixture._fields if 'sampler.weight' in left else ():
            value, buffer = left[f'sampler.{name}'], getattr(self, name)
            if value.shape[1] != self.components:
                raise ConfigError(
                    f'method.shared.*.sampler.components is {self.components}, but the previous step left mixtures of '
                    f'{value.shape[1]}'
                )
            buffer[: len(value)] = value.to(buffer)

    def adopt(self, context: StepContext) -> None:
        """Takes the mixtures that the pass fitted."""
        found = GaussianMixture(**context.statistic('embedding_mixtures', self))
        for buffer, value in zip(self.mixtures, found, strict=True):
            buffer[found.known] = value[found.known].to(buffer)

    def fit(self, values: Tensor, shares: Tensor, seed: int, start: GaussianMixture | None = None) -> GaussianMixture:
        """Fits a mixture to embeddings ``(S, D)``, see :func:`mmciss.functional.fit_mixture`."""
        few = len(values) < self.minimum
        found = fit_mixture(values, shares, 1 if few else self.components, self.iterations, start, seed)
        absent = self.components - found.weight.shape[1]
        return GaussianMixture(
            F.pad(found.weight, (0, absent)), *(F.pad(item, (0, 0, 0, absent)) for item in found[1:])
        )

    def prototypes(self, known: EmbeddingDistribution) -> Tensor:
        """Returns the directions of the mixtures' means."""
        old = self.mixtures.of(slice(self.num_old))
        return torch.where(old.known.unsqueeze(1), F.normalize(old.centre, dim=1), known.prototype)

    def draw(self, known: EmbeddingDistribution, amounts: Tensor, sites: Tensor) -> Tensor:
        """Draws embeddings; those of the batch are not read."""
        old = self.mixtures.of(slice(self.num_old))
        mixed = old.draw(torch.where(old.known, amounts, 0))
        return torch.cat([mixed, replay_features(known, torch.where(old.known, 0, amounts))])
