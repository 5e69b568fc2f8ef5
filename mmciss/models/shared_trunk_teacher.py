"""A teacher that is its student's own frozen network with the old classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from mmciss.models.classifiers.growable import Growable, growable_layers
from mmciss.models.outputs import SegOutput
from mmciss.models.readout import Readout, main_classifier
from mmciss.models.teacher import Teacher

if TYPE_CHECKING:
    from mmciss.models.incremental_segmentor import IncrementalSegmentor


def trunk_is_frozen(model: IncrementalSegmentor) -> bool:
    """Whether student and teacher have the same embedding, now and until the step ends.

    That is so when nothing before the main classifier learns, when batch norms and dropout there
    stay in evaluation mode while the student trains, and when no slot reads maps of the trunk
    (which would run once only, for the teacher) or changes its layers between steps.

    Args:
        model: The student of a later step.
    """
    segmentor = model.segmentor
    found = main_classifier(segmentor)
    if model.layers or (model.structure is not None and model.structure.changes_trunk):
        return False
    if found is None or not isinstance(found[1], Growable):
        return False
    head = segmentor.decode_head
    if isinstance(head, nn.ModuleList) or type(head).loss is not BaseDecodeHead.loss:
        return False
    if list(growable_layers(head).values()) != [found[1]]:
        return False
    inside = tuple(f'{name}.' for name in (found[0], 'auxiliary_head'))
    if any(parameter.requires_grad for name, parameter in segmentor.named_parameters() if not name.startswith(inside)):
        return False
    training = model.training
    model.train()
    moving = [
        name
        for name, module in segmentor.named_modules()
        if module.training
        and not name.startswith(inside)
        and (isinstance(module, _NormBase | _DropoutNd) or type(module).__name__ == 'DropPath')
    ]
    model.train(training)
    return not moving


class SharedTrunkTeacher(Teacher):
    """Gives the old logits without a second network.

    The trunk runs once per batch, without gradients. The old classifier, as the step before left
    it, makes the teacher's logits from the embedding; within :meth:`lend` the student goes on from
    the same maps.

    Args:
        segmentor: The student's own segmentor; it is not changed.
        classifier: The main classifier of the step before, with its auxiliary channels.
        source: The checkpoint it came from, for messages.
    """

    def __init__(self, segmentor: nn.Module, classifier: Growable, source: str | Path = '') -> None:
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
        """Runs the trunk on a preprocessed batch ``(N, 3, H, W)`` and keeps what it gave."""
        self.to(inputs.device)
        head = self.segmentor.decode_head
        head.conv_seg.forward = self.classifier.forward
        try:
            with Readout(self.segmentor, layers) as readout:
                self._features = self.segmentor.extract_feat(inputs)
                answer = head.forward(self._features)
        finally:
            del head.conv_seg.forward
        output = readout.output()
        # A head that does more after its classifier must run as a whole.
        self._embedding = output.embedding if answer is output.logits else None
        return SegOutput(output.logits, output.embedding, output.features, self.classifier, output.align_corners)

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Lets the student's next pass start from the maps of this teacher's last one."""
        segmentor, head = self.segmentor, self.segmentor.decode_head
        features, embedding = self._features, self._embedding
        segmentor.extract_feat = lambda inputs: features
        if embedding is not None:
            head.forward = lambda inputs: head.conv_seg(embedding)
        try:
            yield
        finally:
            del segmentor.extract_feat
            head.__dict__.pop('forward', None)
            self._features = self._embedding = None
