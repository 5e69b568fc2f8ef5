"""AWT's choice of channels: those that make the teacher classify new classes as background."""

from __future__ import annotations

import logging
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import (
    at_least_float32,
    attribution_scores,
    integrated_gradients,
    linear_attribution,
    masked_sum,
    select_channels,
    upsampling_gain,
)
from mmciss.functional.background_attribution import MODES
from mmciss.models.initializers.attribution_initializer import SOURCES
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS

KEY = 'method.statistics.*'


@STATISTICS.register_module()
class BackgroundAttribution(DataPass):
    """Scores the classifier's input channels on the pixels of the new classes, and marks the best.

    AWT (WACV 2023, arXiv 2210.07207). Where the background logit is linear in the embedding, as in every 1x1
    classifier, integrated gradients have a closed form, see :func:`mmciss.functional.linear_attribution`: one
    forward pass per image and one for the baseline image. The first batch shows whether it is linear, by computing the
    logit from the classifier's weights. For any other classifier the gradients are integrated numerically.

    Args:
        fraction: Fraction of the channels to mark.
        per_class: Whether each new class has its own mask; if False, all share one, from the union of their pixels.
        mode: How to reduce over positions and images.
        source: Which logit to attribute: that of the ``'background'`` or of the classifier's first ``'auxiliary'``
            channel; the same as in the initializer.
        steps: Number of integration steps where the closed form does not hold.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'classifier')
    finds: tuple[str, ...] = ('attribution', 'channel_mask')

    def __init__(
        self,
        fraction: float = 0.25,
        per_class: bool = True,
        mode: str = 'max_of_mean',
        source: str = 'background',
        steps: int = 50,
    ) -> None:
        if not 0 < fraction <= 1:
            raise ConfigError(f'{KEY}.fraction: must be in (0, 1], found {fraction}')
        if mode not in MODES:
            raise unknown_name('mode', mode, MODES, f'{KEY}.mode')
        if source not in SOURCES:
            raise unknown_name('source', source, SOURCES, f'{KEY}.source')
        self.fraction, self.per_class, self.mode = fraction, per_class, mode
        self.source, self.steps = source, steps

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty sums.

        Raises:
            ConfigError: If there is no background, or its row is zero.
        """
        super().begin(context, model)
        if not self.step.background:
            raise ConfigError('method.statistics: background attribution needs a protocol with a background')
        row = self._source(linear_classifier(model.segmentor)[1])
        if not row.weight[0].any():
            raise ConfigError(
                f'{KEY}: the row of the {self.source} is zero, so no channel contributes to it; if the '
                f"decision does not use the background's row, set source='auxiliary' here and in method.initializer"
            )
        new = range(self.step.num_old, self.step.num_seen)
        self.groups = [[channel] for channel in new] if self.per_class else [list(new)]
        self.sums: list[Tensor | None] = [None] * len(self.groups)
        self.counts = torch.zeros(len(self.groups), dtype=torch.int64)
        self.baseline: Tensor | None = None
        self.linear: bool | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the attributions of the batch.

        Raises:
            ConfigError: If the images of two batches differ in size.
        """
        present = set(target.unique().tolist())
        if present.isdisjoint(range(self.step.num_old, self.step.num_seen)):
            return
        attribution = self._attribution(inputs, target.shape[-2:], output)
        for index, channels in enumerate(self.groups):
            if present.isdisjoint(channels):
                continue
            mask = torch.isin(target, torch.tensor(channels, device=target.device))
            total, count = masked_sum(attribution, mask, self.mode)
            known = self.sums[index]
            if known is not None and known.shape != total.shape:
                raise ConfigError(
                    f'{KEY}: background attribution averages over positions, so all images must '
                    f'have the same size; found embeddings of {tuple(known.shape[1:])} and '
                    f'{tuple(total.shape[1:])}. '
                    f"Crop in the training pipeline, or set mode='mean_of_max'"
                )
            self.sums[index] = total.double() if known is None else known + total
            self.counts[index] += count.cpu()

    def finish(self) -> dict[str, Any]:
        """Returns ``attribution (K, D)`` and, by classifier, ``channel_mask (K, D)``.

        K is the number of new classes, or 1. A class without a pixel at the embedding's resolution marks no channel.
        """
        counts = sum_over_ranks(self.counts)
        assert counts is not None
        self.counts = counts
        totals = [sum_over_ranks(total) for total in self.sums]
        name, classifier = linear_classifier(self.model.segmentor)
        scores = torch.zeros(len(totals), classifier.weight.shape[1], dtype=torch.float64)
        for row, total, count in zip(scores, totals, self.counts, strict=True):
            if count and total is not None:
                row.copy_(attribution_scores(total, count))
        mask = select_channels(scores, self.fraction) & (self.counts.cpu() > 0).unsqueeze(1)
        if missing := [channels for channels, count in zip(self.groups, self.counts, strict=True) if not count]:
            print_log(
                f'background attribution: no pixel of channels {missing} was found; their rows start at random',
                logger='current',
                level=logging.WARNING,
            )
        return {'attribution': scores.float(), 'channel_mask': {name: mask}}

    def _source(self, classifier: Any) -> Any:
        """Returns the layer whose first output is to be attributed."""
        if self.source == 'background':
            return classifier
        auxiliary = getattr(classifier, 'auxiliary', None)
        if auxiliary is None:
            raise ConfigError(
                f"{KEY}.source: 'auxiliary', but the classifier has no such channel; set "
                f'method.classifier=dict(auxiliary=1) in the base step too'
            )
        return auxiliary

    def _attribution(self, inputs: Tensor, size: tuple[int, ...], output: SegOutput) -> Tensor:
        assert output.embedding is not None
        embedding = at_least_float32(output.embedding)
        if self.baseline is None or self.baseline.shape[-2:] != embedding.shape[-2:]:
            baseline = self.model(torch.zeros_like(inputs[:1])).embedding
            assert baseline is not None
            self.baseline = at_least_float32(baseline)
        if self.linear is None:
            self.linear = is_linear(self._source(output.classifier), output.embedding)
            if not self.linear:
                print_log(
                    f'background attribution: {type(output.classifier).__name__} is not linear in its '
                    f'input; gradients are integrated in {self.steps} steps',
                    logger='current',
                    level=logging.WARNING,
                )
        if self.linear:
            gain = upsampling_gain(embedding.shape[-2:], size, output.align_corners).to(embedding)
            return linear_attribution(embedding, self.baseline, self._source(output.classifier).weight[0], gain)

        def background(point: Tensor) -> Tensor:
            logit = self._source(output.classifier)(point)[:, :1]
            return F.interpolate(logit, size, mode='bilinear', align_corners=output.align_corners).sum((1, 2, 3))

        return integrated_gradients(background, embedding, self.baseline, self.steps)


def is_linear(classifier: Any, embedding: Tensor) -> bool:
    """Whether the first logit is a weighted sum of the embedding at the same position.

    Args:
        classifier: Computes logits ``(N, C, h, w)`` from an embedding; has ``weight`` and ``bias``.
        embedding: Any embedding, ``(N, D, h, w)``.
    """
    weight, bias = classifier.weight[:1], classifier.bias
    if weight.shape[2:].numel() != 1 or weight.shape[1] != embedding.shape[1]:
        return False
    found = classifier(embedding)[:, :1]
    expected = F.conv2d(embedding, weight.reshape(1, -1, 1, 1), None if bias is None else bias[:1])
    return expected.shape == found.shape and torch.allclose(
        expected, found, rtol=1e-2, atol=1e-2 * float(found.abs().mean())
    )
