"""AWT's choice of channels: which ones make the teacher call the new classes background."""
from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass
from mmciss.errors import ConfigError
from mmciss.functional.background_attribution import MODES, attribution_scores, attribution_sum, upsampling_gain
from mmciss.functional.select_channels import select_channels
from mmciss.models.outputs import SegOutput
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class BackgroundAttribution(DataPass):
    """Scores the classifier's input channels on the pixels of the new classes, and marks the best.

    AWT (arXiv 2210.07207). Integrated gradients through a linear classifier have a closed form, see
    :func:`mmciss.functional.background_attribution.background_attribution`: one forward pass per image and one for
    the baseline image.

    Args:
        fraction: Part of the channels to mark.
        per_class: Whether each new class has its own mask, or all share one over the union of their pixels.
        mode: How positions and images are reduced.
    """

    needs = ('logits', 'embedding', 'classifier')

    def __init__(self, fraction: float = 0.25, per_class: bool = True, mode: str = 'max_of_mean') -> None:
        if not 0 < fraction <= 1:
            raise ConfigError(f'method.statistics.*.fraction must be in (0, 1], found {fraction}')
        if mode not in MODES:
            raise ConfigError(f'method.statistics.*.mode: unknown mode {mode!r}; allowed: {", ".join(MODES)}')
        self.fraction, self.per_class, self.mode = fraction, per_class, mode

    def begin(self, step: Step, teacher: Teacher) -> None:
        """Starts with empty sums."""
        super().begin(step, teacher)
        if not step.background:
            raise ConfigError('method.statistics: background attribution needs a protocol with a background')
        self.groups = ([[channel] for channel in range(step.num_old, step.num_seen)] if self.per_class
                       else [list(range(step.num_old, step.num_seen))])
        self.sums: list[Tensor | None] = [None] * len(self.groups)
        self.counts = torch.zeros(len(self.groups), dtype=torch.int64)
        self.baseline: Tensor | None = None

    def update(self, inputs: Tensor, target: Tensor, teacher: SegOutput) -> None:
        """Adds the attributions of the batch."""
        weight = teacher.classifier.weight[0]
        if weight.shape[1:].numel() != 1:
            raise ConfigError(f'method.statistics: background attribution needs a 1x1 classifier, found a kernel of '
                              f'{tuple(weight.shape[1:])}')
        if self.baseline is None or self.baseline.shape[-2:] != teacher.embedding.shape[-2:]:
            self.baseline = self.teacher(torch.zeros_like(inputs[:1])).embedding
        gain = upsampling_gain(teacher.embedding.shape[-2:], target.shape[-2:], teacher.align_corners)
        for index, channels in enumerate(self.groups):
            mask = torch.isin(target, torch.tensor(channels, device=target.device))
            total, count = attribution_sum(teacher.embedding, self.baseline, weight, mask, gain.to(weight), self.mode)
            self.sums[index] = total.double() if self.sums[index] is None else self.sums[index] + total
            self.counts[index] += count.cpu()

    def finish(self) -> dict[str, Tensor]:
        """Returns ``attribution (K, D)`` and the masks ``channels (K, D)``, K new classes or 1."""
        scores = []
        self.counts = self.counts.to(self.sums[0].device)
        all_reduce(self.counts)
        for total, count in zip(self.sums, self.counts):
            all_reduce(total)
            scores.append(attribution_scores(total, count))
        attribution = torch.stack(scores)
        return {'attribution': attribution.float(), 'channels': select_channels(attribution, self.fraction)}
