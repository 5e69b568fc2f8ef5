"""Pseudo labels where the teacher is sure."""
from __future__ import annotations

import torch

from mmciss.functional.entropy_pseudo_labels import entropy_pseudo_labels
from mmciss.functional.prototype_relabel import rectified_log_probabilities
from mmciss.models.labelers.labeling import LabelBatch, Labels
from mmciss.models.labelers.statistic import statistic
from mmciss.models.outputs import SegOutput
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS


@LABELERS.register_module()
class EntropyLabeler:
    """Background pixels become the teacher's class where its entropy is below the class's median, else ignored.

    PLOP (arXiv 2011.11390), section 3.2. Each image's loss is multiplied by the share of its background pixels that
    got a label. Needs the statistic ``entropy_thresholds``. In a domain-incremental step nothing is hidden in the
    background, and the labels stay as they are.

    Args:
        adaptive: Whether images are weighted.
        minimum_factor: Lower bound of an image's weight.
        compat: Whether an image without background pixels gets weight 0, as in the release.
    """

    needs = ('logits', )
    uses_teacher = True

    def __init__(self, adaptive: bool = True, minimum_factor: float = 0.0, compat: bool = False) -> None:
        self.adaptive, self.minimum_factor, self.compat = adaptive, minimum_factor, compat

    def teacher_scores(self, target: torch.Tensor, teacher: SegOutput, batch: LabelBatch) -> torch.Tensor:
        """Returns the scores ``(N, C_old, H, W)`` that labels are taken from."""
        return teacher.logits_at(target.shape[-2:])

    def __call__(self, target: torch.Tensor, teacher: SegOutput | None, step: Step, batch: LabelBatch) -> Labels:
        """Completes the labels."""
        if not step.num_new:
            return Labels(target)
        thresholds = statistic(batch, 'entropy_thresholds', self)
        labels, factor = entropy_pseudo_labels(target, self.teacher_scores(target, teacher, batch), thresholds,
                                               step.num_old, step.num_seen, minimum_factor=self.minimum_factor,
                                               compat=self.compat)
        return Labels(labels, factor.view(-1, 1, 1) if self.adaptive else None)


@LABELERS.register_module()
class PrototypeEntropyLabeler(EntropyLabeler):
    """The same test on the teacher's probabilities after correction by distances to class prototypes.

    GSC (arXiv 2307.10822), reconstructed; see :mod:`mmciss.functional.prototype_relabel` for what is certain. Needs
    the statistics ``entropy_thresholds`` and ``prototypes``.

    Args:
        layer: Module whose output the prototypes were averaged from.
        temperature: Factor on the distances.
        **options: Arguments of :class:`EntropyLabeler`.
    """

    needs = ('logits', 'features')

    def __init__(self, layer: str, temperature: float = 1.0, **options: object) -> None:
        super().__init__(**options)
        self.layers = (layer, )
        self.temperature = temperature

    def teacher_scores(self, target: torch.Tensor, teacher: SegOutput, batch: LabelBatch) -> torch.Tensor:
        """Returns the corrected log-probabilities."""
        features = teacher.features[self.layers[0]]
        features = features[-1] if isinstance(features, list | tuple) else features
        return rectified_log_probabilities(teacher.logits_at(target.shape[-2:]), features,
                                           statistic(batch, 'prototypes', self), self.temperature)
