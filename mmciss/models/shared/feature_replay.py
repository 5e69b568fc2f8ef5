"""What STAR and its successors keep of the classes they have learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from logging import WARNING
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import Amounts, EmbeddingDistribution, compensate, predicted_classes, replay_amounts
from mmciss.functional.feature_replay import RULES
from mmciss.models.outputs import main_classifier
from mmciss.models.slot import SharedSlot

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.shared.embedding_sampler import EmbeddingSampler
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


@MODELS.register_module()
class FeatureReplay(SharedSlot):
    """Distribution of every class's embeddings, from the step in which it was new, and how much of it is replayed.

    STAR (NeurIPS 2023). A class costs ``2 D + 3`` numbers; no image is kept. Needs the passes
    :class:`~mmciss.engine.statistics.EmbeddingDistributions` and :class:`~mmciss.engine.statistics.PredictedSites`.
    With the pass :class:`~mmciss.engine.statistics.EmbeddingDeviation` the distributions of old classes follow the
    model, otherwise only the numbers of sites change later.

    Args:
        sampler: Config of the :class:`~mmciss.models.shared.embedding_sampler.EmbeddingSampler`; None for STAR's,
            :class:`~mmciss.models.shared.PrototypeSampler`.
        rule: How much is replayed, see :func:`mmciss.functional.replay_amounts`; of two rules the second is that of
            protocols with setting ``'disjoint'`` or ``'partitioned'``.
        threshold: The probability that an old class must exceed to be seen in the background, as in ``PredictedSites``.
        new_share: See :func:`mmciss.functional.replay_amounts`.
        old_share: See :func:`mmciss.functional.replay_amounts`.
        minimum: Least number of features of a known class in a batch.

    Attributes:
        counts: Sites of each class over all previous steps, background first, ``(C,)``.
        predicted: Background sites of this step's images by the teacher's prediction, ``(C_old,)``.
        labelled: Number of sites of this step's images with the label of a new class.
        images: Number of this step's images.

    Raises:
        ConfigError: If an argument is unknown or the threshold is no probability.
    """

    needs: tuple[str, ...] = ('embedding', 'rows', 'statistics.embedding_distribution')

    kept: ClassVar[tuple[str, ...]] = (*EmbeddingDistribution._fields, 'counts')
    """What is handed on of each class."""

    prototype: Tensor
    spread: Tensor
    norm_mean: Tensor
    norm_std: Tensor
    counts: Tensor
    predicted: Tensor
    labelled: Tensor
    images: Tensor

    def __init__(
        self,
        sampler: dict[str, Any] | None = None,
        rule: str | Sequence[str] = ('overlapped', 'disjoint'),
        threshold: float = 0.5,
        new_share: float = 0.01,
        old_share: float = 0.5,
        minimum: int = 0,
    ) -> None:
        super().__init__()
        rules = [rule, rule] if isinstance(rule, str) else list(rule)
        for item in rules:
            if item not in RULES:
                raise unknown_name('rule', item, RULES, 'method.shared.*.rule')
        if len(rules) != 2:
            raise ConfigError(f'method.shared.*.rule must be one rule or two, found {rules}')
        if not 0 < threshold < 1:
            raise ConfigError(f'method.shared.*.threshold must lie between 0 and 1, found {threshold}')
        self.rules, self.threshold = rules, threshold
        self.sampler: EmbeddingSampler = MODELS.build(sampler or dict(type='PrototypeSampler'))
        self.needs = (*self.needs, *self.sampler.needs)
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
        self.used_rule = self.rules[setting in ('disjoint', 'partitioned')]
        for name in ('prototype', 'spread'):
            self.register_buffer(name, torch.zeros(step.num_seen, width))
        for name in ('norm_mean', 'norm_std'):
            self.register_buffer(name, torch.zeros(step.num_seen))
        self.register_buffer('counts', torch.zeros(step.num_seen, dtype=torch.float64))
        self.register_buffer('predicted', torch.zeros(step.num_old, dtype=torch.int64))
        self.register_buffer('labelled', torch.zeros((), dtype=torch.int64))
        self.register_buffer('images', torch.zeros((), dtype=torch.int64))
        self.sampler.prepare(step, width)

    def begin(self, context: StepContext) -> None:
        """Goes on from what the previous step left, and takes what the pass before training counted.

        Raises:
            ConfigError: If the pass used another threshold, or the embedding has another width.
        """
        if context.previous is None:
            return
        left = context.previous.slot(self.key)
        if left:
            for name in self.kept:
                buffer, value = getattr(self, name), left[name]
                if value.shape[1:] != buffer.shape[1:]:
                    raise ConfigError(
                        f'method.{self.key}: the previous step left prototypes of {value.shape[1]} channels, but the '
                        f'embedding has {buffer.shape[1]}'
                    )
                buffer[: len(value)] = value.to(buffer)
            self.sampler.begin(left)
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
        self.labelled.copy_(sites['labelled'])
        self.images.copy_(sites['images'])

    def halfway(self, context: StepContext) -> None:
        """Lets the sampler take what was found halfway through training."""
        self.sampler.adopt(context)

    def end(self, context: StepContext) -> None:
        """Adds the step's classes, moves the old ones if their deviation was measured, and counts the background."""
        if self.num_old and (moved := context.statistics.get('embedding_deviation')):
            deviation, sites = (moved[name].to(self.counts.device) for name in ('deviation', 'counts'))
            places = compensate(self.known(), deviation, sites, self.counts[: self.num_old])
            for name, value in places._asdict().items():
                getattr(self, name)[: self.num_old] = value
        found = context.statistic('embedding_distribution', self)
        new = slice(max(1, self.num_old), None)
        for name in (*EmbeddingDistribution._fields, 'counts'):
            buffer = getattr(self, name)
            buffer[new] = found[name][new].to(buffer)
        if self.num_old:
            self.counts[: self.num_old] = self._amounts(1.0).counts
        else:
            self.counts[0] = found['counts'][0]
        self.sampler.adopt(context)

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
            float(self.labelled),
        )

    def known(self) -> EmbeddingDistribution:
        """Returns the distributions of the old classes."""
        return EmbeddingDistribution(*(getattr(self, name)[: self.num_old] for name in EmbeddingDistribution._fields))

    def draw(self, amounts: Tensor, sites: Tensor) -> Tensor:
        """Draws embeddings of old classes ``(n, D)``, ``amounts (C_old,)`` of each, beside a batch's ``(S, D)``."""
        return self.sampler.draw(self.known(), amounts, sites.detach())

    def known_prototypes(self) -> Tensor:
        """Returns the prototypes of old classes that had a site, ``(K, D)``."""
        known = self.counts[: self.num_old] > 0
        return self.sampler.prototypes(self.known())[1:][known[1:]]

    def seen_by(self, teacher: SegOutput, size: tuple[int, ...]) -> Tensor:
        """Returns the old class that the teacher sees at each pixel, 0 for none, ``(N, H, W)``."""
        return predicted_classes(teacher.logits_at(size), math.log(self.threshold / (1 - self.threshold)))


@MODELS.register_module()
class RowReplay(FeatureReplay):
    """``FeatureReplay`` whose prototypes are found anew at every step, STAR (TPAMI 2025), lite.

    They come from the pass :class:`~mmciss.engine.statistics.RowPrototypes`, which takes the place of
    ``PredictedSites``. The spread of a class is its distance from the nearest other prototype, and norms are not known,
    so the sampler is :class:`~mmciss.models.shared.SphereSampler`. A class costs one number, its sites.
    """

    kept = ('counts',)

    def prepare(self, context: StepContext) -> None:
        """Makes room for the classes seen so far; only the counts are part of the state."""
        super().prepare(context)
        for name in EmbeddingDistribution._fields:
            self.register_buffer(name, getattr(self, name), persistent=False)

    def begin(self, context: StepContext) -> None:
        """Takes the counts that the previous step left, and what the pass before training found."""
        super().begin(context)
        if context.previous is None:
            return
        found = context.statistic('row_prototypes', self, self.prototype)
        apart = torch.cdist(found[1:], found[1:], compute_mode='donot_use_mm_for_euclid_dist')
        distance = apart.fill_diagonal_(2.0).amin(1, keepdim=True)
        self.prototype[: self.num_old] = found.to(self.prototype)
        self.spread[1 : self.num_old] = (distance / found.shape[1] ** 0.5).to(self.spread)
