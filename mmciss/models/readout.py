"""Reading logits, embedding and features out of an unmodified segmentor while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmciss.models.outputs import SegOutput
from mmciss.models.refining import refined_everywhere, refining_head
from mmciss.models.taps import FeatureTap


def main_head(segmentor: nn.Module) -> tuple[str, nn.Module]:
    """Returns the name and module of the head whose logits are the segmentor's answer.

    In a cascade this is the last head that says something about every pixel.
    """
    head = segmentor.decode_head
    if isinstance(head, nn.ModuleList):
        last = len(head) - (1 if refining_head(segmentor) is None else 2)
        return f'decode_head.{last}', head[last]
    return 'decode_head', head


def main_classifier(segmentor: nn.Module) -> tuple[str, nn.Module] | None:
    """Returns the name and module of the layer whose output is the main head's logits, if there is one."""
    name, head = main_head(segmentor)
    classifier = getattr(head, 'conv_seg', None)
    return None if classifier is None else (f'{name}.conv_seg', classifier)


class Readout:
    """Context manager around one forward pass of a segmentor; afterwards :meth:`output` gives what it said.

    MMSegmentation calls ``head.forward`` directly, so hooks on a head never fire; the classifier and named
    backbone modules are tapped instead. A head without a classifier of its own (K-Net) has its ``forward`` recorded.

    Args:
        segmentor: The segmentor that will run.
        layers: Names of modules, relative to the segmentor, whose output is wanted in ``features``.
        losses_too: Whether the head's losses run as well; then the logits that the head upsampled for them are
            reused instead of upsampling twice.
    """

    def __init__(self, segmentor: nn.Module, layers: Iterable[str] = (), losses_too: bool = False) -> None:
        self.segmentor = segmentor
        self.layers = tuple(layers)
        self.head_name, self.head = main_head(segmentor)
        self.classifier = main_classifier(segmentor)
        names = list(self.layers)
        if self.classifier is not None:
            names += [self.classifier[0], f'{self.classifier[0]}:input']
        self.tap = FeatureTap(segmentor, names)
        self.refining = refining_head(segmentor)
        # Under a refining head the main head runs twice in training, and the second time counts.
        self._record_full = (
            losses_too and self.refining is None and type(self.head).loss_by_feat is BaseDecodeHead.loss_by_feat
        )
        self._handles: list = []
        self._full: Tensor | None = None
        self._head_output: object = None
        self._maps: object = None
        self._recorded: list[tuple[nn.Module, str]] = []

    def __enter__(self) -> Readout:
        self.tap.__enter__()
        if self.classifier is None:
            self._record(self.head, 'forward', '_head_output')
        if self.refining is not None:
            self._record(self.segmentor, 'extract_feat', '_maps')
        if self._record_full:
            losses = self.head.loss_decode
            first = losses[0] if isinstance(losses, nn.ModuleList) else losses
            self._handles.append(first.register_forward_pre_hook(self._remember))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.tap.__exit__(kind, error, traceback)
        for module, method in self._recorded:
            module.__dict__.pop(method, None)
        self._recorded.clear()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _record(self, module: nn.Module, method: str, attribute: str) -> None:
        function = getattr(module, method)

        def recorded(*args: object, **kwargs: object) -> object:
            setattr(self, attribute, function(*args, **kwargs))
            return getattr(self, attribute)

        setattr(module, method, recorded)
        self._recorded.append((module, method))

    def _remember(self, module: nn.Module, args: tuple) -> None:
        self._full = args[0] if args else None

    def output(self) -> SegOutput:
        """Returns what the last forward pass said."""
        records = self.tap.records
        if self.classifier is None:
            logits = self._head_output[-1] if isinstance(self._head_output, list | tuple) else self._head_output
            output = SegOutput(logits, align_corners=self.segmentor.align_corners)
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
        self._full = self._head_output = self._maps = None
        return output
