"""From logits to classes: the decision rule that fits how a model was trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError, unknown_name
from mmciss.models.outputs import main_classifier
from mmciss.models.slot import Slot
from mmciss.utils.patched import patched

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


class Decision(Slot):
    """Base class: turns logits into scores whose argmax is the decision.

    A finished step is exported for plain MMSegmentation, which takes the argmax of the logits. So a decision also gives
    the exported classifier the rows with which argmax decides the same.

    Attributes:
        needs_auxiliary: Whether :meth:`forward` reads the auxiliary channels.
        plain: Whether the exported model's argmax makes the same decision.
        replaces_rows: Whether :meth:`export` overwrites rows that the next step starts from.
    """

    needs_auxiliary: ClassVar[bool] = False
    plain: ClassVar[bool] = True
    replaces_rows: bool = False

    def forward(self, logits: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Returns scores ``(N, C, H, W)`` whose argmax is the decision.

        Args:
            logits: Logits of the classes, ``(N, C, H, W)``.
            auxiliary: Logits of the auxiliary channels, ``(N, A, H, W)``, if the model has any.
        """
        raise NotImplementedError

    def export(self, rows: MutableMapping[str, Tensor], auxiliary: nn.Module | None) -> None:
        """Changes the rows of the exported classifier, in place.

        Args:
            rows: ``'weight'`` ``(C, D, 1, 1)`` and, if the layer has one, ``'bias'`` ``(C,)``. Where the background
                has a head of its own, its tensors by name, ``'weight'`` ``(1, D, 1, 1)`` among them.
            auxiliary: The layer of the auxiliary channels, or None.
        """


@MODELS.register_module()
class ArgmaxDecision(Decision):
    """The channel with the largest logit, MMSegmentation's own decision."""

    def forward(self, logits: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Returns the logits."""
        return logits


@MODELS.register_module()
class SigmoidThresholdDecision(Decision):
    """The foreground channel with the largest sigmoid if it exceeds a threshold, else background.

    ``sigmoid(z) > t`` is ``z > log(t / (1 - t))``, so this equals giving the background that constant logit and taking
    the argmax (DKD, arXiv 2210.05941, section 3: t = 0.5, constant 0). In the exported model the background row is zero
    and its bias the constant, so plain MMSegmentation decides the same.

    Args:
        threshold: The probability below which a pixel is background.

    Raises:
        ConfigError: If the threshold is not between 0 and 1.
    """

    needs: tuple[str, ...] = ('classifier',)

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise ConfigError(f'method.decision.threshold must lie between 0 and 1, found {threshold}')
        self.background_logit = math.log(threshold / (1 - threshold))

    def forward(self, logits: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Returns the logits with the constant in channel 0."""
        scores = logits.clone()
        scores[:, 0] = self.background_logit
        return scores

    def export(self, rows: MutableMapping[str, Tensor], auxiliary: nn.Module | None) -> None:
        """Turns the background's row into the constant.

        Raises:
            ConfigError: If the constant needs a bias that the classifier does not have.
        """
        rows['weight'] = rows['weight'].clone()
        rows['weight'][0] = 0
        if 'bias' in rows:
            rows['bias'] = rows['bias'].clone()
            rows['bias'][0] = self.background_logit
        elif self.background_logit:
            raise ConfigError(
                'method.decision.threshold: thresholds other than 0.5 need a classifier with a bias (model.decode_head)'
            )


@MODELS.register_module()
class UnknownToBackgroundDecision(Decision):
    """Sigmoid probabilities, with that of the unknown class added to the background's.

    SSUL (Cha et al., NeurIPS 2021, arXiv 2106.11562, section 3.2). No single linear row gives a sum of two sigmoids, so
    the exported model only approximates it: its background row is either the background's or the unknown's.
    ``tools/test.py`` uses the exact decision.

    Args:
        plain_background: Which row the exported plain model has for the background: ``'background'``, or ``'unknown'``
            if every background pixel is labelled unknown, so that the background's own row never fires.

    Raises:
        ConfigError: If the choice is not one of these.
    """

    needs: tuple[str, ...] = ('classifier',)
    needs_auxiliary = True
    plain = False

    def __init__(self, plain_background: str = 'background') -> None:
        super().__init__()
        allowed = ('background', 'unknown')
        if plain_background not in allowed:
            raise unknown_name('row', plain_background, allowed, 'method.decision.plain_background')
        self.replaces_rows = plain_background == 'unknown'

    def forward(self, logits: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Returns the probabilities.

        Raises:
            ConfigError: If the model has no auxiliary channels.
        """
        if auxiliary is None:
            raise ConfigError(
                'method.decision: UnknownToBackgroundDecision needs the unknown '
                'channel: set method.classifier = dict(auxiliary=1)'
            )
        scores = logits.sigmoid()
        scores[:, 0] += auxiliary.sigmoid().sum(1)
        return scores

    def export(self, rows: MutableMapping[str, Tensor], auxiliary: nn.Module | None) -> None:
        """Puts the first unknown row in the background's place, if so configured."""
        if not self.replaces_rows:
            return
        assert auxiliary is not None, 'there are no unknown rows'
        unknown = auxiliary.state_dict()
        for key, tensor in rows.items():
            if tensor.shape == unknown[key].shape:  # a layer before the row, or the only row
                rows[key] = unknown[key].clone()
            else:
                rows[key] = tensor.clone()
                rows[key][0] = unknown[key][0]


@contextmanager
def auxiliary_appended(segmentor: BaseSegmentor) -> Iterator[int]:
    """Makes the main classifier return ``(N, C + A, h, w)`` instead of ``(N, C, h, w)`` inside a ``with`` block.

    The auxiliary channels then go through whatever the segmentor does with its logits, such as upsampling and sliding
    windows, as the classes do.

    Args:
        segmentor: A segmentor with a growable main classifier.

    Yields:
        The number A of auxiliary channels, 0 if it has none.
    """
    found = main_classifier(segmentor)
    classifier: Any = None if found is None else found[1]
    if getattr(classifier, 'auxiliary', None) is None:
        yield 0
        return
    classes_only = classifier.forward
    count = len(classifier.auxiliary.weight)

    def forward(embedding: Tensor) -> Tensor:
        return torch.cat([classes_only(embedding), classifier.auxiliary_logits(embedding)], dim=1)

    segmentor.out_channels += count  # the number of channels that sliding windows are collected in
    try:
        with patched(classifier, 'forward', forward):
            yield count
    finally:
        segmentor.out_channels -= count
