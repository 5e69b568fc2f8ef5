"""The previous model, frozen: what the new one must not forget."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from mmciss.models.outputs import SegOutput
from mmciss.models.readout import Readout
from mmciss.models.refining import raw_answer


class Teacher:
    """Holds the model of the step before: evaluation mode, no gradients.

    It is deliberately no :class:`torch.nn.Module`: it must be in no module tree, so that neither the checkpoint,
    nor the optimizer, nor an EMA, nor DistributedDataParallel ever sees it.

    Args:
        segmentor: A plain MMSegmentation segmentor with the weights of the step before.
        source: The checkpoint it came from, for messages.
    """

    def __init__(self, segmentor: nn.Module, source: str | Path = '') -> None:
        segmentor.requires_grad_(False)
        segmentor.eval()
        self.segmentor = segmentor
        self.source = str(source)

    def to(self, device: torch.device | str) -> Teacher:
        """Moves the model; a no-op when it is already there."""
        self.segmentor.to(device)
        return self

    @torch.no_grad()
    def __call__(self, inputs: Tensor, layers: Iterable[str] = ()) -> SegOutput:
        """Runs the model on a preprocessed batch ``(N, 3, H, W)``.

        Args:
            inputs: The images, as the student sees them.
            layers: Names of modules whose output is wanted.
        """
        first = next(self.segmentor.parameters())
        if first.device != inputs.device:
            self.to(inputs.device)
        with Readout(self.segmentor, layers) as readout:
            raw_answer(self.segmentor, inputs)
        return readout.output()

    def lend(self) -> AbstractContextManager[None]:
        """Returns the context of the student's pass; a teacher with a network of its own lends nothing."""
        return nullcontext()
