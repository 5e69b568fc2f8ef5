"""Pseudo labels where the teacher, perhaps corrected by class prototypes, is confident."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import entropy_pseudo_labels, rectified_log_probabilities
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.registry import LABELERS

THRESHOLDS = {'binned': ('entropy_thresholds', 0.0), 'median': ('entropy_medians', 1.0)}
"""By choice: the statistic it reads, and the weight of an image without background."""


@LABELERS.register_module()
class EntropyLabeler(Labeler):
    """Background pixels get the teacher's class where it is confident, and are ignored elsewhere.

    PLOP (CVPR 2021, arXiv 2011.11390), section 3.2. Confident means an entropy below the threshold of the predicted
    class. The loss of each image is multiplied by the share of its background pixels that got a label. Needs the
    statistics of :class:`~mmciss.engine.statistics.entropy_thresholds.EntropyThresholds`. In a domain-incremental step
    the background hides no class, and the labels stay as they are.

    Args:
        adaptive: Whether to weight images.
        minimum_factor: Lower bound of an image's weight.
        thresholds: ``'binned'``: those of the release, behind the published numbers. They accept nearly all predictions
            of a trained teacher, and an image without a background pixel has weight 0. ``'median'``: the medians that
            the paper describes, which reject half of each class's pixels; an image without background has weight 1.

    Raises:
        ConfigError: If ``thresholds`` is unknown.
    """

    prefix = ''

    def __init__(self, adaptive: bool = True, minimum_factor: float = 0.0, thresholds: str = 'binned') -> None:
        super().__init__()
        if thresholds not in THRESHOLDS:
            raise unknown_name('thresholds', thresholds, tuple(THRESHOLDS), 'method.labeler.thresholds')
        self.adaptive, self.minimum_factor, self.thresholds = adaptive, minimum_factor, thresholds
        self.needs = ('logits', 'teacher', f'statistics.{self.prefix}{THRESHOLDS[thresholds][0]}')

    def teacher_scores(self, target: Tensor, teacher: SegOutput, context: StepContext) -> Tensor:
        """Returns the scores ``(N, C_old, h, w)``, of any size, from which labels are taken."""
        return teacher.logits

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        step, target = context.step, batch.target
        if not step.num_new:
            return Labels(target)
        assert teacher is not None
        name, full_factor = THRESHOLDS[self.thresholds]
        thresholds = context.statistic(f'{self.prefix}{name}', self, like=target)
        scores = self.teacher_scores(target, teacher, context)
        labels, factor = entropy_pseudo_labels(
            target,
            scores,
            thresholds,
            step.num_old,
            step.num_seen,
            minimum_factor=self.minimum_factor,
            full_factor=full_factor,
            align_corners=teacher.align_corners,
        )
        return Labels(labels, factor.view(-1, 1, 1) if self.adaptive else None)


@LABELERS.register_module()
class PrototypeEntropyLabeler(EntropyLabeler):
    """PLOP's rule on teacher probabilities that are corrected by distances to class prototypes.

    GSC (arXiv 2307.10822), reconstructed; :func:`mmciss.functional.rectified_log_probabilities` says what is certain.
    Needs the statistic ``prototypes`` and those of
    :class:`~mmciss.engine.statistics.entropy_thresholds.RectifiedEntropyThresholds`.

    Args:
        layer: Module whose output the prototypes are means of; of several maps the last.
        temperature: Factor on the distances.
        relabel: False leaves the correction out, which gives PLOP's labeler; then only the statistics of
            :class:`~mmciss.engine.statistics.entropy_thresholds.EntropyThresholds` are needed.
        **options: Arguments of :class:`~mmciss.models.labelers.entropy_labeler.EntropyLabeler`.
    """

    def __init__(self, layer: str, temperature: float = 1.0, relabel: bool = True, **options: Any) -> None:
        self.prefix = 'rectified_' if relabel else ''
        super().__init__(**options)
        self.temperature, self.relabel = temperature, relabel
        if relabel:
            self.needs += ('features', 'statistics.prototypes')
            self.layers = (layer,)

    def teacher_scores(self, target: Tensor, teacher: SegOutput, context: StepContext) -> Tensor:
        """Returns the corrected log-probabilities.

        Raises:
            ConfigError: If the thresholds were computed with another temperature.
        """
        if not self.relabel:
            return super().teacher_scores(target, teacher, context)
        found = float(context.statistics.get('rectified_temperature', self.temperature))
        if abs(found - self.temperature) > 1e-6:
            raise ConfigError(
                f'method.labeler.temperature: {self.temperature}, but the thresholds belong to '
                f'{found} (method.statistics.*.temperature); both must be equal'
            )
        features = teacher.maps(self.layers)[-1]
        # Upsampling is linear, so logits and distances of the same size may be added first.
        same = features.shape[-2:] == teacher.logits.shape[-2:]
        logits = teacher.logits if same else teacher.logits_at(target.shape[-2:])
        return rectified_log_probabilities(
            logits, features, context.statistic('prototypes', self, like=target), self.temperature
        )
