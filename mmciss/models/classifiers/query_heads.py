"""Heads that classify queries, used as heads that classify pixels: so they can learn new classes like any other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.functional import labels_at
from mmciss.models.classifiers.grown_parameters import EXTRA_ROWS
from mmciss.registry import class_of
from mmciss.utils.environment import MMDET
from mmciss.utils.patched import patched


def pixel_scores(classes: Tensor, masks: Tensor) -> Tensor:
    r"""Returns the logarithm of the combined scores of all queries for each pixel.

    MaskFormer's semantic inference (Cheng et al., NeurIPS 2021, arXiv 2107.06278, section 3.4):
    :math:`S_{c}(x) = \sum_q \mathrm{softmax}(k_q)_c \, \sigma(m_q(x))` over the classes without
    'no object'. The softmax of :math:`\log S` over channels is S divided by its sum over classes.

    Both factors are first divided by their largest value over the queries, so that nothing under- or overflows; what
    is still smaller than 1e-28 times the product of these is cut off (in float32).

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
        # Dividing by a constant is undone below, so it takes no part in the gradient.
        most, largest = classes.detach().amax(1, keepdim=True), masks.detach().amax(1, keepdim=True)
        sums = torch.einsum('nqc,nqhw->nchw', (classes - most).exp(), (masks - largest).exp())
        lowest = torch.finfo(kind).tiny ** 0.75  # its inverse, times a sum over pixels, does not overflow
        return sums.clamp_min(lowest).log() + most.transpose(1, 2)[..., None] + largest


class PixelScores:
    """What :func:`pixel_head` puts in front of a query head's own class.

    Without samples, as MMSegmentation calls its other heads, ``forward`` returns scores at the resolution of the
    masks, and ``loss`` is that of any other head with these scores. With samples ``forward`` is the head's own, so
    ``predict`` is unchanged.

    The last decoder layer's scores are the head's logits, which are compared with a teacher's. Those of the earlier
    layers have the same main loss, at the resolution of the masks, and its mean is added to the last layer's: with
    masked attention, a layer looks where the layer before it points.

    The head's own loss is used only if ``loss_decode`` is a loss that needs queries, such as
    :class:`~mmciss.models.losses.set_loss.SetLoss`. It matches each labelled segment with one query and calls all other
    queries 'no object': on images whose old classes are unlabelled it teaches that there are none. A loss of the scores
    drops the matching and the separate loss of the masks; only the ratios of S between classes are trained, which is
    all that the argmax reads. A loss with a sigmoid per class reads ``sigmoid(log S) = S / (1 + S)``.

    Args:
        loss_decode: The loss, or losses, of the scores, or one that stands for the head's own.
        **kwargs: Arguments of the query head.
    """

    training: bool
    _stack_batch_gt = BaseDecodeHead._stack_batch_gt

    def __init__(self, loss_decode: dict[str, Any] | Sequence[dict[str, Any]] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        losses = loss_decode or dict(type='CrossEntropyLoss')
        self.loss_decode = (
            nn.ModuleList(map(MODELS.build, losses)) if isinstance(losses, list | tuple) else MODELS.build(losses)
        )
        # The query head's own sampler chooses among queries; a sampler of pixels has the same name.
        self.query_sampler: Any = getattr(self, 'sampler', None)
        self.sampler = None

    def forward(self, inputs: Sequence[Tensor], batch_data_samples: list[Any] | None = None) -> Any:
        """Returns scores ``(N, C, h, w)``, in training a list of every decoder layer's scores, the last at the end.

        With samples it returns what the head itself does.
        """
        if batch_data_samples is not None:
            return self.query_logits(inputs, batch_data_samples)
        # The head reads the size only to mask the padding of single images, and a training batch has none.
        size = tuple(inputs[-1].shape[-2:])
        metainfo = dict(img_shape=size, pad_shape=size, batch_input_shape=size)
        samples = [SegDataSample(metainfo=metainfo) for _ in range(len(inputs[-1]))]
        classes, masks = self.query_logits(inputs, samples)
        if not self.training:
            return pixel_scores(classes[-1], masks[-1])
        return [pixel_scores(*layer) for layer in zip(classes, masks, strict=True)]

    def query_logits(self, inputs: Sequence[Tensor], batch_data_samples: list[Any]) -> Any:
        """Returns what the head's own forward does: logits of queries, and of masks, one of each per decoder layer."""
        return super().forward(inputs, batch_data_samples)  # type: ignore[misc]

    def loss(self, inputs: Sequence[Tensor], batch_data_samples: list[SegDataSample], train_cfg: Any) -> Any:
        """Returns the losses of the scores, or the head's own if ``loss_decode`` needs queries."""
        if 'queries' not in getattr(self.loss_decode, 'needs', ()):
            return BaseDecodeHead.loss(self, inputs, batch_data_samples, train_cfg)
        own: Any = super()
        with patched(self, 'loss_by_feat', own.loss_by_feat), patched(self, 'sampler', self.query_sampler):
            losses = own.loss(inputs, batch_data_samples, train_cfg)
        return {name: self.loss_decode.loss_weight * value for name, value in losses.items()}

    def loss_by_feat(self, seg_logits: list[Tensor], batch_data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Returns the losses of the last layer's scores, and the mean of the earlier layers' (``early``)."""
        *early, last = seg_logits
        losses = BaseDecodeHead.loss_by_feat(self, last, batch_data_samples)
        coarse = _labelled_at(tuple(last.shape[-2:]), batch_data_samples)
        found = [BaseDecodeHead.loss_by_feat(self, scores, coarse) for scores in early]
        for name in [name for name in losses if 'loss' in name] if early else ():
            losses[f'early.{name}'] = torch.stack([layer[name] for layer in found]).mean()
        return losses


def _labelled_at(size: tuple[int, ...], samples: list[SegDataSample]) -> list[SegDataSample]:
    labels = [labels_at(sample.gt_sem_seg.data, size) for sample in samples]
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def classifies_queries(kind: Any) -> bool:
    """Whether a class of heads has rows after the classes, such as 'no object'."""
    return any(base.__name__ in EXTRA_ROWS for base in getattr(kind, '__mro__', ()))


@cache
def pixel_head(kind: type) -> type:
    """Returns the class of heads with scores per pixel that replaces a query head's class.

    It is registered as ``Pixel`` and the name of the class, and keeps the name itself, which messages show. Exported
    configs do not name it: its weights are those of the query head.

    Args:
        kind: A class of heads that classify queries.
    """
    made = type(kind.__name__, (PixelScores, kind), {'__module__': kind.__module__, '__doc__': kind.__doc__})
    MODELS.register_module(name=f'Pixel{kind.__name__}', module=made, force=True)
    return made


def score_pixels(head: dict[str, Any]) -> None:
    """Lets a config build a head that gives scores of pixels, if it is one that classifies queries, in place."""
    kind = class_of(MODELS, head)
    if classifies_queries(kind) and not issubclass(kind, PixelScores):
        head['type'] = pixel_head(kind)


def check_complete(head: dict[str, Any], key: str) -> None:
    """Refuses a head that classifies queries if its base class is missing.

    MMSegmentation takes these heads from MMDetection. Without it they are empty classes, whose constructors fail with
    messages about their arguments.

    Args:
        head: Config of a head.
        key: Where it stands.

    Raises:
        ConfigError: Saying what to install.
    """
    kind = class_of(MODELS, head)
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
