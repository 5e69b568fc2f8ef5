"""The model of the previous step, frozen: what the new one must not forget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmciss.models.classifiers.growable import Growable
from mmciss.models.outputs import SegOutput
from mmciss.models.readout import Readout, run_segmentor
from mmciss.utils.patched import patched

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


class Teacher:
    """Holds the model of the previous step: evaluation mode, no gradients.

    It is not a :class:`torch.nn.Module`, on purpose: it must not be part of any module tree, so that neither the
    checkpoint, nor the optimizer, nor an EMA, nor DistributedDataParallel ever sees it.

    Args:
        segmentor: A segmentor with the weights of the previous step.
        source: The checkpoint it came from, for messages.
    """

    def __init__(self, segmentor: BaseSegmentor, source: str | Path = '') -> None:
        segmentor.requires_grad_(False)
        segmentor.eval()
        self.segmentor = segmentor
        self.source = str(source)

    def to(self, device: torch.device | str) -> Teacher:
        """Moves the model; does nothing if it is already there."""
        self.segmentor.to(device)
        return self

    @torch.no_grad()
    def __call__(self, inputs: Tensor, layers: Iterable[str] = ()) -> SegOutput:
        """Runs the model on a preprocessed batch ``(N, 3, H, W)``.

        Args:
            inputs: The images, as the student sees them.
            layers: Names of modules whose output to return.
        """
        first = next(self.segmentor.parameters())
        if first.device != inputs.device:
            self.to(inputs.device)
        with Readout(self.segmentor, layers) as readout:
            run_segmentor(self.segmentor, inputs)
        return readout.output()

    def student_pass(self) -> AbstractContextManager[None]:
        """Returns the context in which the student runs on the same batch; here it changes nothing."""
        return nullcontext()


class SharedTrunkTeacher(Teacher):
    """A teacher that is the student's own frozen network with the old classifier, and so needs no second network.

    The trunk runs once per batch, without gradients. The old classifier, as the previous step left it, makes the
    teacher's logits from the embedding; inside :meth:`student_pass` the student continues from the same maps.

    Args:
        segmentor: The student's own segmentor; it is not changed.
        classifier: The main classifier of the previous step, with its auxiliary channels.
        source: The checkpoint it came from, for messages.
    """

    def __init__(self, segmentor: BaseSegmentor, classifier: Growable, source: str | Path = '') -> None:
        self.segmentor = segmentor
        self.classifier = classifier.requires_grad_(False).eval()
        self.source = str(source)
        self._features: Any = None
        self._embedding: Tensor | None = None

    def to(self, device: torch.device | str) -> SharedTrunkTeacher:
        """Moves the old classifier; the trunk is where the student is."""
        self.classifier.to(device)
        return self

    @torch.no_grad()
    def __call__(self, inputs: Tensor, layers: Iterable[str] = ()) -> SegOutput:
        """Runs the trunk on a preprocessed batch ``(N, 3, H, W)`` and keeps its maps."""
        self.to(inputs.device)
        head = self.segmentor.decode_head
        with patched(head.conv_seg, 'forward', self.classifier.forward), Readout(self.segmentor, layers) as readout:
            self._features = self.segmentor.extract_feat(inputs)
            logits = head.forward(self._features)
        output = readout.output()
        # A head that does more after its classifier must run as a whole.
        self._embedding = output.embedding if logits is output.logits else None
        return SegOutput(output.logits, output.embedding, output.features, self.classifier, output.align_corners)

    @contextmanager
    def student_pass(self) -> Iterator[None]:
        """Lets the student start from the maps of this teacher's last pass, inside a ``with`` block."""
        head = self.segmentor.decode_head
        features, embedding = self._features, self._embedding
        try:
            with ExitStack() as stack:
                stack.enter_context(patched(self.segmentor, 'extract_feat', lambda inputs: features))
                if embedding is not None:
                    stack.enter_context(patched(head, 'forward', lambda inputs: head.conv_seg(embedding)))
                yield
        finally:
            self._features = self._embedding = None
