"""The model of the previous step, frozen: what the new one must not forget."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmciss.models.classifiers.grow import build_grown_segmentor
from mmciss.models.classifiers.growable import Growable, growable_layers
from mmciss.models.classifiers.head_config import set_num_classes
from mmciss.models.freezing import drops
from mmciss.models.outputs import Readout, SegOutput, main_classifier, run_segmentor
from mmciss.models.previous import load_auxiliary, load_plain_checkpoint
from mmciss.utils.patched import patched
from mmciss.utils.private_api import NORMS

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor


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


def build_teacher(model: IncrementalSegmentor, device: torch.device | str, share_trunk: bool = False) -> Teacher:
    """Builds the model of the previous step, from the same config as the student.

    Args:
        model: The student.
        device: The teacher's device.
        share_trunk: Whether to use the student's own frozen trunk, see :func:`trunk_is_frozen`. The student's weights
            must be loaded already.

    Raises:
        ConfigError: If the checkpoint of the previous step does not fit.
    """
    sizes, previous = model.step.sizes[:-1], model.previous
    assert previous is not None, 'only later steps have a teacher'
    config: dict[str, Any] = copy.deepcopy(model.segmentor.build_config)
    set_num_classes(config, sum(sizes))
    segmentor: Any = build_grown_segmentor(config, sizes, model.classifier_options)
    if model.structure is not None and not model.structure.in_plain_model:
        model.structure.install(segmentor, model.step)
    load_plain_checkpoint(segmentor, previous.model, key='teacher')
    load_auxiliary(segmentor, previous.content)
    if share_trunk:
        classifier = segmentor.decode_head.conv_seg
        return SharedTrunkTeacher(model.segmentor, classifier.to(device), previous.model)
    return Teacher(segmentor.to(device), previous.model)


def trunk_is_frozen(model: IncrementalSegmentor) -> bool:
    """Whether student and teacher share the same embedding throughout the step.

    They do if nothing before the main classifier learns, if batch norms and dropout there stay in evaluation mode while
    the student trains, and if no slot reads maps of the trunk (which runs only once, for the teacher) or changes its
    layers between steps.

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
    outside = tuple(f'{name}.' for name in (found[0], 'auxiliary_head'))
    if any(parameter.requires_grad for name, parameter in segmentor.named_parameters() if not name.startswith(outside)):
        return False
    training = model.training
    model.train()
    moving = [
        name
        for name, module in segmentor.named_modules()
        if module.training and not name.startswith(outside) and (isinstance(module, NORMS) or drops(module))
    ]
    model.train(training)
    return not moving
