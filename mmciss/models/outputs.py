"""The outputs of an unmodified segmentor for one batch, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmseg.models.decode_heads import PointHead, decode_head
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from mmciss.models.classifiers.query_heads import PixelScores, pixel_scores
from mmciss.models.taps import FeatureTap, flat_maps
from mmciss.utils.patched import patched

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


@dataclass(frozen=True)
class Queries:
    """What a decoder layer of a head that classifies queries says.

    Attributes:
        classes: Logits of queries, shape ``(N, Q, C + 1)``, 'no object' last.
        masks: Logits of their masks, shape ``(N, Q, h, w)``.
    """

    classes: Tensor
    masks: Tensor


@dataclass
class SegOutput:
    """Logits, embedding and features of one forward pass.

    One object belongs to one batch and one model; it is never kept for another batch, because random crops differ.

    Attributes:
        logits: Raw output of the classifier, shape ``(N, C, h, w)``.
        embedding: Input of the classifier, shape ``(N, D, h, w)``, or None if the head has no single linear classifier.
        features: Further maps by module name.
        classifier: The layer between embedding and logits; it has ``weight`` ``(C, D, 1, 1)`` and ``bias`` ``(C,)`` or
            None.
        align_corners: How the head upsamples.
        auxiliary: Output ``(N, A, h, w)`` of the auxiliary channels, which are not classes; computed from the embedding
            if the classifier has such channels.
        refined: Output of a further head that refines some pixels, or None.
        queries: What a head that classifies queries says, the last decoder layer's; None for other heads.

    Examples:
        >>> import torch
        >>> output = SegOutput(torch.zeros(1, 3, 4, 4))
        >>> output.logits_at((16, 16)).shape
        torch.Size([1, 3, 16, 16])
    """

    logits: Tensor
    embedding: Tensor | None = None
    features: dict[str, Tensor] = field(default_factory=dict)
    classifier: Any = None
    align_corners: bool = False
    auxiliary: Tensor | None = None
    refined: SegOutput | None = None
    queries: Queries | None = None
    _full: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        has_auxiliary = getattr(self.classifier, 'auxiliary', None) is not None
        if self.auxiliary is None and self.embedding is not None and has_auxiliary:
            self.auxiliary = self.classifier.auxiliary_logits(self.embedding)

    def logits_at(self, size: tuple[int, ...]) -> Tensor:
        """Returns the logits upsampled bilinearly to ``size`` (H, W), computed once.

        At 512 x 512 with 151 classes and 24 images one copy takes 3.5 GiB, hence the cache. At their own size the
        logits themselves are returned, which ``interpolate`` would copy.
        """
        size = (int(size[0]), int(size[1]))
        if size not in self._full:
            self._full[size] = self._resized(self.logits, size)
        return self._full[size]

    def maps(self, names: Iterable[str]) -> list[Tensor]:
        """Returns features in the order of their names.

        Of a module that gives several maps all are returned, so ``'backbone'`` stands for every map that a backbone
        returns.
        """
        return flat_maps(self.features[name] for name in names)

    def auxiliary_at(self, size: tuple[int, ...]) -> Tensor | None:
        """Returns the auxiliary channels upsampled to ``size`` (H, W), or None without any."""
        if self.auxiliary is None:
            return None
        return self._resized(self.auxiliary, (int(size[0]), int(size[1])))

    def remember_logits(self, full: Tensor) -> None:
        """Puts logits that are already upsampled into the cache.

        Args:
            full: The logits at another size, shape ``(N, C, H, W)``.

        Raises:
            ValueError: If images or channels are not those of ``logits``.
        """
        if full.shape[:2] != self.logits.shape[:2]:
            raise ValueError(
                f'upsampled logits {tuple(full.shape)} do not belong to logits {tuple(self.logits.shape)}: '
                f'images and channels must be the same'
            )
        self._full[(full.shape[-2], full.shape[-1])] = full

    def _resized(self, maps: Tensor, size: tuple[int, ...]) -> Tensor:
        if tuple(maps.shape[-2:]) == size:
            return maps
        return F.interpolate(maps, size, mode='bilinear', align_corners=self.align_corners)


@dataclass(frozen=True)
class BatchOutputs:
    """The outputs of both models for the batch whose main loss is being computed.

    Attributes:
        student: Called for the student's output, which costs an upsampling at most.
        teacher: The teacher's, or None without one.
    """

    student: Callable[[], SegOutput]
    teacher: SegOutput | None = None


def main_head(segmentor: BaseSegmentor) -> tuple[str, BaseDecodeHead]:
    """Returns the name and module of the head whose logits are the segmentor's answer.

    In a cascade this is the last head that predicts every pixel.
    """
    head = segmentor.decode_head
    if isinstance(head, nn.ModuleList):
        last = len(head) - (1 if refining_head(segmentor) is None else 2)
        return f'decode_head.{last}', head[last]
    return 'decode_head', head


def main_classifier(segmentor: BaseSegmentor) -> tuple[str, Any] | None:
    """Returns the name and module of the layer whose output is the main head's logits, if there is one."""
    name, head = main_head(segmentor)
    classifier = getattr(head, 'conv_seg', None)
    return None if classifier is None else (f'{name}.conv_seg', classifier)


def linear_classifier(segmentor: BaseSegmentor) -> tuple[str, Any]:
    """Returns the same where a slot's ``needs`` have already been checked, so that there is one."""
    found = main_classifier(segmentor)
    assert found is not None, 'check_needs refuses models without a classifier'
    return found


def refining_head(segmentor: BaseSegmentor) -> PointHead | None:
    """Returns the last head if it refines chosen points of the head before it (PointRend, arXiv 1912.08193)."""
    heads = getattr(segmentor, 'decode_head', None)
    return heads[-1] if isinstance(heads, nn.ModuleList) and isinstance(heads[-1], PointHead) else None


def run_segmentor(segmentor: BaseSegmentor, inputs: Tensor) -> Any:
    """Runs a segmentor in mode ``'tensor'``, which MMSegmentation cannot do if the last head refines points.

    Args:
        segmentor: A plain or grown segmentor.
        inputs: Images ``(N, 3, H, W)``.
    """
    if refining_head(segmentor) is None:
        return segmentor(inputs, mode='tensor')
    maps = segmentor.extract_feat(inputs)
    logits = segmentor.decode_head[0].forward(maps)
    for head in segmentor.decode_head[1:-1]:
        logits = head.forward(maps, logits)
    return logits


def loss_with_accuracy(
    segmentor: BaseSegmentor, inputs: Tensor, data_samples: list[Any], interval: int
) -> dict[str, Tensor]:
    """Returns the losses of a segmentor, with ``acc_seg`` in every ``interval``-th iteration only.

    The accuracy sorts the scores of every pixel at the size of the labels; nothing but the log reads it.

    Args:
        segmentor: The plain segmentor.
        inputs: Images ``(N, 3, H, W)``.
        data_samples: MMSegmentation's samples with ``gt_sem_seg``.
        interval: Number of iterations, 1 for all.
    """
    iteration = 0 if interval == 1 else MessageHub.get_current_instance().get_info('iter', -1)
    if (iteration + 1) % interval == 0:
        return segmentor.loss(inputs, data_samples)
    with patched(decode_head, 'accuracy', lambda *args, **options: None):
        losses = segmentor.loss(inputs, data_samples)
    return {name: value for name, value in losses.items() if value is not None}


def refined_everywhere(head: PointHead, maps: Sequence[Tensor], coarse: Tensor) -> Tensor:
    """Returns the refining head's scores at every position of the coarse map, ``(N, C, h, w)``.

    In training it sees random points. To compare a student with its teacher, both must look at the same points, and
    these are the places of the coarse map.

    Args:
        head: The refining head.
        maps: What the segmentor's ``extract_feat`` returned.
        coarse: Logits of the head before, ``(N, C, h, w)``.
    """
    size = coarse.shape[-2:]
    fine = [
        resize(item, size, mode='bilinear', align_corners=head.align_corners) for item in head._transform_inputs(maps)
    ]
    points = head.forward(torch.cat(fine, 1).flatten(2), coarse.flatten(2))
    return points.unflatten(2, size)


class Readout:
    """Context manager around one forward pass of a segmentor; afterwards :meth:`output` returns its outputs.

    MMSegmentation calls ``head.forward`` directly, so hooks on a head never fire; the classifier and named modules are
    tapped instead. If a head has no classifier of its own (K-Net), its ``forward`` is recorded.

    Args:
        segmentor: The segmentor that will run.
        layers: Names of modules, relative to the segmentor, whose output to put into ``features``.
        losses_too: Whether the head's losses run as well. Then the logits that the head upsampled for them are reused
            instead of upsampling twice.
    """

    def __init__(self, segmentor: BaseSegmentor, layers: Iterable[str] = (), losses_too: bool = False) -> None:
        self.segmentor = segmentor
        self.layers = tuple(layers)
        self.head_name, self.head = main_head(segmentor)
        self.classifier = main_classifier(segmentor)
        self._classifies_queries = isinstance(self.head, PixelScores)
        names = list(self.layers)
        if self.classifier is not None:
            names += [self.classifier[0], f'{self.classifier[0]}:input']
        self.tap = FeatureTap(segmentor, names)
        self.refining = refining_head(segmentor)
        # Under a refining head the main head runs twice in training, and the second time counts.
        self._record_full = (
            losses_too and self.refining is None and type(self.head).loss_by_feat is BaseDecodeHead.loss_by_feat
        )
        self._cleanup = ExitStack()
        self._full: Tensor | None = None
        self._head_output: Any = None
        self._queries: Any = None
        self._maps: Any = None

    def __enter__(self) -> Readout:
        with ExitStack() as stack:
            stack.enter_context(self.tap)
            if self.classifier is None:
                stack.enter_context(self._recording(self.head, 'forward', '_head_output'))
            if self._classifies_queries:
                stack.enter_context(self._recording(self.head, 'query_logits', '_queries'))
            if self.refining is not None:
                stack.enter_context(self._recording(self.segmentor, 'extract_feat', '_maps'))
            if self._record_full:
                losses = self.head.loss_decode
                first = losses[0] if isinstance(losses, nn.ModuleList) else losses
                stack.callback(first.register_forward_pre_hook(self._remember).remove)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._cleanup.close()

    def _recording(self, module: nn.Module, method: str, attribute: str) -> AbstractContextManager[None]:
        function = getattr(module, method)

        def recorded(*args: object, **kwargs: object) -> object:
            setattr(self, attribute, function(*args, **kwargs))
            return getattr(self, attribute)

        return patched(module, method, recorded)

    def _remember(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._full = args[0] if args else None

    def output(self) -> SegOutput:
        """Returns the outputs of the last forward pass."""
        records = self.tap.records
        if self.classifier is None:
            output = SegOutput(self._logits(), align_corners=self.segmentor.align_corners)
            if self._queries is not None:
                output.queries = Queries(*(layers[-1] for layers in self._queries))
        else:
            name, classifier = self.classifier
            output = SegOutput(
                records[name],
                records[f'{name}:input'],
                classifier=classifier,
                align_corners=self.segmentor.align_corners,
            )
        output.features.update({name: records[name] for name in self.layers})
        if self._full is not None and self._full.shape[1] == output.logits.shape[1]:
            output.remember_logits(self._full)
        if self.refining is not None:
            output.refined = SegOutput(
                refined_everywhere(self.refining, self._maps, output.logits), align_corners=self.segmentor.align_corners
            )
        self._full = self._head_output = self._queries = self._maps = None
        return output

    def _logits(self) -> Tensor:
        if self._queries is not None and self._head_output is self._queries:
            # The head's own loss asked for queries, not for scores of pixels.
            return pixel_scores(*(layers[-1] for layers in self._queries))
        return self._head_output[-1] if isinstance(self._head_output, list | tuple) else self._head_output
