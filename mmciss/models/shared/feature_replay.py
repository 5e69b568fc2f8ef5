"""What STAR keeps of the classes it has learned."""

from __future__ import annotations

import math
from logging import WARNING
from typing import TYPE_CHECKING

import torch
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import Amounts, EmbeddingDistribution, predicted_classes, replay_amounts, replay_features
from mmciss.functional.feature_replay import NORM_NOISES, RULES
from mmciss.models.outputs import main_classifier
from mmciss.models.slot import SharedSlot

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


@MODELS.register_module()
class FeatureReplay(SharedSlot):
    """Distribution of every class's embeddings, from the step in which it was new, and how much of it is replayed.

    STAR (NeurIPS 2023). A class costs ``2 D + 3`` numbers; no image is kept, and nothing is updated later but the
    numbers of sites. Needs the passes :class:`~mmciss.engine.statistics.EmbeddingDistributions` and
    :class:`~mmciss.engine.statistics.PredictedSites`.

    Args:
        rule: How much is replayed, see :func:`mmciss.functional.replay_amounts`; None for ``'disjoint'`` in a
            protocol with setting ``'disjoint'`` or ``'partitioned'``, else ``'overlapped'``.
        threshold: The probability that an old class must exceed to be seen in the background, as in ``PredictedSites``.
        norm_noise: See :func:`mmciss.functional.replay_features`.
        new_share: See :func:`mmciss.functional.replay_amounts`.
        old_share: See :func:`mmciss.functional.replay_amounts`.
        minimum: Least number of features of a known class in a batch.

    Attributes:
        counts: Sites of each class over all previous steps, background first, ``(C,)``.
        predicted: Background sites of this step's images by the teacher's prediction, ``(C_old,)``.
        images: Number of this step's images.

    Raises:
        ConfigError: If an argument is unknown or the threshold is no probability.
    """

    needs: tuple[str, ...] = ('embedding', 'rows')

    prototype: Tensor
    spread: Tensor
    norm_mean: Tensor
    norm_std: Tensor
    counts: Tensor
    predicted: Tensor
    images: Tensor

    def __init__(
        self,
        rule: str | None = None,
        threshold: float = 0.5,
        norm_noise: str = 'channel',
        new_share: float = 0.01,
        old_share: float = 0.5,
        minimum: int = 0,
    ) -> None:
        super().__init__()
        if rule is not None and rule not in RULES:
            raise unknown_name('rule', rule, RULES, 'method.shared.*.rule')
        if norm_noise not in NORM_NOISES:
            raise unknown_name('noise', norm_noise, NORM_NOISES, 'method.shared.*.norm_noise')
        if not 0 < threshold < 1:
            raise ConfigError(f'method.shared.*.threshold must lie between 0 and 1, found {threshold}')
        self.rule, self.threshold, self.norm_noise = rule, threshold, norm_noise
        self.new_share, self.old_share, self.minimum = new_share, old_share, minimum

    def check_step(self, step: Step) -> None:
        """Refuses steps without a background or without new classes.

        Raises:
            ConfigError: Saying which.
        """
        if not step.background:
            raise ConfigError('method.shared: FeatureReplay needs a protocol with a background')
        if not step.num_new:
            raise ConfigError('method.shared: FeatureReplay replays old classes against new ones; a step has none')

    def prepare(self, context: StepContext) -> None:
        """Makes room for the classes seen so far."""
        step = context.step
        assert context.model is not None
        found = main_classifier(context.model.segmentor)
        assert found is not None
        width = found[1].weight.shape[1]
        self.num_old, self.num_new = step.num_old, step.num_new
        setting = None if context.data is None else context.data.protocol.setting
        self.used_rule = self.rule or ('disjoint' if setting in ('disjoint', 'partitioned') else 'overlapped')
        for name in ('prototype', 'spread'):
            self.register_buffer(name, torch.zeros(step.num_seen, width))
        for name in ('norm_mean', 'norm_std'):
            self.register_buffer(name, torch.zeros(step.num_seen))
        self.register_buffer('counts', torch.zeros(step.num_seen, dtype=torch.float64))
        self.register_buffer('predicted', torch.zeros(step.num_old, dtype=torch.int64))
        self.register_buffer('images', torch.zeros((), dtype=torch.int64))

    def begin(self, context: StepContext) -> None:
        """Goes on from what the previous step left, and takes what the pass before training counted.

        Raises:
            ConfigError: If the pass used another threshold, or the embedding has another width.
        """
        if context.previous is None:
            return
        left = context.previous.slot(self.key)
        if left:
            for name in (*EmbeddingDistribution._fields, 'counts'):
                buffer, value = getattr(self, name), left[name]
                if value.shape[1:] != buffer.shape[1:]:
                    raise ConfigError(
                        f'method.{self.key}: the previous step left prototypes of {value.shape[1]} channels, but the '
                        f'embedding has {buffer.shape[1]}'
                    )
                buffer[: len(value)] = value.to(buffer)
        else:
            print_log(
                'FeatureReplay: the previous step left no prototypes, so old classes are not replayed.',
                logger='current',
                level=WARNING,
            )
        sites = context.statistic('predicted_sites', self)
        if float(sites['threshold']) != self.threshold:
            raise ConfigError(
                f'method.{self.key}.threshold is {self.threshold}, but the pass PredictedSites in method.statistics '
                f'has {float(sites["threshold"])}; set both to one value'
            )
        self.predicted.copy_(sites['counts'])
        self.images.copy_(sites['images'])

    def end(self, context: StepContext) -> None:
        """Adds the step's classes, and counts its background with that of the previous steps."""
        found = context.statistic('embedding_distribution', self)
        new = slice(max(1, self.num_old), None)
        for name in (*EmbeddingDistribution._fields, 'counts'):
            buffer = getattr(self, name)
            buffer[new] = found[name][new].to(buffer)
        if self.num_old:
            self.counts[: self.num_old] = self._amounts(1.0).counts
        else:
            self.counts[0] = found['counts'][0]

    def amounts(self, batch: int) -> Amounts:
        """Returns how much is replayed beside a batch.

        Args:
            batch: Images of the batch in this process.
        """
        return self._amounts(max(1, int(self.images) // (batch * get_world_size())))

    def _amounts(self, iterations: float) -> Amounts:
        return replay_amounts(
            self.counts[: self.num_old],
            self.predicted,
            iterations,
            self.num_new,
            self.used_rule,
            self.new_share,
            self.old_share,
            self.minimum,
        )

    def draw(self, amounts: Tensor) -> Tensor:
        """Draws embeddings of old classes ``(n, D)``, ``amounts (C_old,)`` of each."""
        known = EmbeddingDistribution(*(getattr(self, name)[: self.num_old] for name in EmbeddingDistribution._fields))
        return replay_features(known, amounts, self.norm_noise)

    def known_prototypes(self) -> Tensor:
        """Returns the prototypes of old classes that had a site, ``(K, D)``."""
        known = self.counts[: self.num_old] > 0
        return self.prototype[1 : self.num_old][known[1:]]

    def seen_by(self, teacher: SegOutput, size: tuple[int, ...]) -> Tensor:
        """Returns the old class that the teacher sees at each pixel, 0 for none, ``(N, H, W)``."""
        return predicted_classes(teacher.logits_at(size), math.log(self.threshold / (1 - self.threshold)))
