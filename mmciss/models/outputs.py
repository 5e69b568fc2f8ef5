"""The outputs of a segmentor for one batch, shared by labelers and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mmciss.models.taps import flat_maps


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
