"""Heads that classify queries: as pixel classifiers they can learn further classes like any other head."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.functional.labels_at import labels_at
from mmciss.models.classifiers.grown_parameters import BEHIND
from mmciss.utils.environment import MMDET


def pixel_scores(classes: Tensor, masks: Tensor) -> Tensor:
    r"""Returns the logarithm of what queries say together about each pixel.

    MaskFormer's semantic inference (Cheng et al., NeurIPS 2021, arXiv 2107.06278, section 3.4):
    :math:`S_{c}(x) = \sum_q \mathrm{softmax}(k_q)_c \, \sigma(m_q(x))` over the classes without
    'no object'. The softmax of :math:`\log S` over channels is S divided by its sum over classes.

    Both factors are divided by their largest value over the queries first, so that nothing under- or
    overflows; what is still smaller than 1e-28 times the product of these is cut (in float32).

    Args:
        classes: Logits of queries, ``(N, Q, C + 1)`` with 'no object' last.
        masks: Logits of masks, ``(N, Q, h, w)``.

    Returns:
        Scores ``(N, C, h, w)``, in float32 at least.

    Examples:
        >>> pixel_scores(torch.zeros(1, 2, 4), torch.zeros(1, 2, 5, 5)).exp().mean()  # 2 queries, 1/4 * 1/2
        tensor(0.2500)
    """
    with torch.autocast(classes.device.type, enabled=False):
        kind = torch.promote_types(classes.dtype, torch.float32)
        classes = classes.to(kind).log_softmax(-1)[..., :-1]
        masks = nn.functional.logsigmoid(masks.to(kind))
        # A constant shift of a factor comes back below: it takes no part in the gradient.
        most, largest = classes.detach().amax(1, keepdim=True), masks.detach().amax(1, keepdim=True)
        sums = torch.einsum('nqc,nqhw->nchw', (classes - most).exp(), (masks - largest).exp())
        lowest = torch.finfo(kind).tiny ** 0.75  # its inverse, times a sum over pixels, does not overflow
        return sums.clamp_min(lowest).log() + most.transpose(1, 2)[..., None] + largest


class PixelScores:
    """What :func:`speak_pixels` puts in front of a query head's own class.

    Without samples, as the other heads of MMSegmentation are called, ``forward`` gives scores at the
    resolution of the masks, and ``loss`` is that of any other head with these. With samples it is the
    head's own, so that ``predict`` is unchanged.

    The last decoder layer's scores are the answer, which is compared with a teacher's. Those of the
    earlier layers have the same main loss, at the resolution of the masks, and the mean of these is
    added to the last layer's: where attention is masked, a layer looks where the one before points.

    The head's own loss is not used. It matches each labelled segment with one query and calls all
    other queries 'no object': on images whose old classes nobody labelled it teaches that there are
    none, and it gives no scores of pixels by which an old model could be kept. With it go the
    matching and the loss of masks for themselves; only the ratios of S between classes are trained,
    which is all that the argmax reads. A loss with a sigmoid per class reads
    ``sigmoid(log S) = S / (1 + S)``.
    """

    loss = BaseDecodeHead.loss
    _stack_batch_gt = BaseDecodeHead._stack_batch_gt

    def forward(self, inputs: Sequence[Tensor], batch_data_samples: list | None = None) -> Any:
        """Returns scores ``(N, C, h, w)``, or with samples what the head itself returns.

        In training it is a list of every decoder layer's scores, the last one at the end.
        """
        if batch_data_samples is not None:
            return super().forward(inputs, batch_data_samples)
        # The size is only read to mask the padding of single images, and a batch that trains has none.
        size = tuple(inputs[-1].shape[-2:])
        metainfo = dict(img_shape=size, pad_shape=size, batch_input_shape=size)
        samples = [SegDataSample(metainfo=metainfo) for _ in range(len(inputs[-1]))]
        classes, masks = super().forward(inputs, samples)
        if not self.training:
            return pixel_scores(classes[-1], masks[-1])
        return [pixel_scores(*layer) for layer in zip(classes, masks)]

    def loss_by_feat(self, seg_logits: list[Tensor], batch_data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Returns the losses of the last layer's scores, and the mean of the earlier layers' (``early``)."""
        *early, last = seg_logits
        losses = BaseDecodeHead.loss_by_feat(self, last, batch_data_samples)
        coarse = _labelled_at(tuple(last.shape[-2:]), batch_data_samples)
        found = [BaseDecodeHead.loss_by_feat(self, scores, coarse) for scores in early]
        for name in [name for name in losses if 'loss' in name] if early else ():
            losses[f'early.{name}'] = torch.stack([layer[name] for layer in found]).mean()
        return losses


def _labelled_at(size: tuple[int, int], samples: list[SegDataSample]) -> list[SegDataSample]:
    labels = [labels_at(sample.gt_sem_seg.data, size) for sample in samples]
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def classifies_queries(kind: Any) -> bool:
    """Whether a class of heads is one with 'no object' behind the classes."""
    return any(base.__name__ in BEHIND for base in getattr(kind, '__mro__', ()))


@lru_cache(maxsize=None)
def _with_scores(kind: type) -> type:
    return type(kind.__name__, (PixelScores, kind), {'__module__': kind.__module__, '__doc__': kind.__doc__})


def speak_pixels(head: nn.Module, config: dict[str, Any]) -> None:
    """Lets a head that classifies queries give scores of pixels, in place; other heads stay as they are.

    Args:
        head: A built head.
        config: Its config; ``loss_decode`` is the loss of the scores, a cross entropy if it has none.
    """
    if isinstance(head, PixelScores) or not classifies_queries(type(head)):
        return
    head.__class__ = _with_scores(type(head))
    losses = config.get('loss_decode') or dict(type='CrossEntropyLoss')
    head.loss_decode = (
        nn.ModuleList(map(MODELS.build, losses)) if isinstance(losses, list | tuple) else MODELS.build(losses)
    )
    # The head's own sampler chooses among queries; that of pixels has the same name.
    head.sampler = None


def check_complete(head: dict[str, Any], key: str) -> None:
    """Refuses a head for queries whose base class is missing.

    In MMSegmentation these are the heads of MMDetection; without it they are empty classes, whose
    constructors fail with messages about their arguments.

    Args:
        head: Config of a head.
        key: Where it stands.

    Raises:
        ConfigError: Saying what to install.
    """
    kind = head.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if not classifies_queries(kind):
        return
    missing = '' if kind.forward is not nn.Module.forward else 'MMDetection is missing'
    try:  # without mmcv's operations some of it may be there, and none of its models
        if any(base.__module__.startswith('mmdet.') for base in kind.__mro__):
            import_module('mmdet.models')
    except ImportError as error:
        missing = str(error)
    if missing:
        raise ConfigError(f'{key}: {kind.__name__} {MMDET} ({missing})')
