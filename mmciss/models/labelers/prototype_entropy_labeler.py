"""Pseudo labels from a teacher that is corrected by class prototypes, where it is confident."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.functional import rectified_log_probabilities
from mmciss.models.labelers.entropy_labeler import EntropyLabeler
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.registry import LABELERS


@LABELERS.register_module()
class PrototypeEntropyLabeler(EntropyLabeler):
    """PLOP's rule on teacher probabilities that are corrected by distances to class prototypes.

    GSC (arXiv 2307.10822), reconstructed; :func:`mmciss.functional.prototype_relabel` says what is certain. Needs the
    statistic ``prototypes`` and those of
    :class:`~mmciss.engine.statistics.rectified_entropy_thresholds.RectifiedEntropyThresholds`.

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
