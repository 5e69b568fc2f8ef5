"""Letting a segmentor output its auxiliary channels behind its classes, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmciss.models.readout import main_classifier


@contextmanager
def auxiliary_appended(segmentor: nn.Module) -> Iterator[int]:
    """Makes the main classifier return ``(N, C + A, h, w)`` instead of ``(N, C, h, w)``.

    The auxiliary channels then go through whatever the segmentor does with its logits, such as
    upsampling and sliding windows, just as the classes do.

    Args:
        segmentor: A segmentor with a growable main classifier.

    Yields:
        The number A of auxiliary channels, 0 if it has none.
    """
    found = main_classifier(segmentor)
    classifier = None if found is None else found[1]
    if getattr(classifier, 'auxiliary', None) is None:
        yield 0
        return
    plain = classifier.forward
    count = len(classifier.auxiliary.weight)

    def forward(embedding: Tensor) -> Tensor:
        return torch.cat([plain(embedding), classifier.auxiliary_logits(embedding)], dim=1)

    classifier.forward = forward
    segmentor.out_channels += count  # the size of the canvas of sliding windows
    try:
        yield count
    finally:
        del classifier.forward
        segmentor.out_channels -= count
