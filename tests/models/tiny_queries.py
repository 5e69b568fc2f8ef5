"""A head that classifies queries, with the attributes and calls of MMSegmentation's, but without MMDetection."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmciss.models.classifiers.grown_parameters import EXTRA_ROWS
from tests.models.set_loss import set_loss
from tests.models.tiny import SEGMENTOR

EXTRA_ROWS['TinyQueryHead'] = {'cls_embed': 1}


@MODELS.register_module(force=True)
class TinyQueryHead(BaseModule):
    """Queries that look twice at the mean of the image, and masks that are products with its map."""

    def __init__(
        self,
        in_channels: int,
        feat_channels: int,
        num_classes: int,
        num_queries: int = 6,
        align_corners: bool = False,
        ignore_index: int = 255,
        out_channels: int = 8,
        train_cfg: dict | None = None,
        init_cfg: dict | None = None,
        **options: Any,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = self.out_channels = num_classes
        self.align_corners, self.ignore_index = align_corners, ignore_index
        self.loss_options = options['loss_cls']
        self.sampler = 'of queries'
        self.pixels = nn.Conv2d(in_channels, out_channels, 1)
        self.memory = nn.Linear(in_channels, feat_channels)
        self.query_feat = nn.Embedding(num_queries, feat_channels)
        self.layers = nn.ModuleList(nn.Linear(feat_channels, feat_channels) for _ in range(2))
        self.cls_embed = nn.Linear(feat_channels, num_classes + 1)
        self.mask_embed = nn.Sequential(
            nn.Linear(feat_channels, feat_channels), nn.ReLU(), nn.Linear(feat_channels, out_channels)
        )

    def forward(self, x: tuple[Tensor, ...], batch_data_samples: list[SegDataSample]) -> tuple[list, list]:
        """Returns logits of queries ``(N, Q, C + 1)`` and masks ``(N, Q, h, w)``, one for each layer."""
        assert len(batch_data_samples) == len(x[-1]) and len(batch_data_samples[0].batch_input_shape) == 2
        memory = self.memory(x[-1].mean((2, 3)))[:, None]
        queries = self.query_feat.weight.expand(len(memory), -1, -1)
        pixels = self.pixels(x[-1])
        classes, masks = [], []
        for layer in self.layers:
            queries = queries + torch.tanh(layer(queries + memory))
            classes.append(self.cls_embed(queries))
            masks.append(torch.einsum('bqc,bchw->bqhw', self.mask_embed(queries), pixels))
        return classes, masks

    def loss(self, x: Any, batch_data_samples: list[SegDataSample], train_cfg: Any) -> dict[str, Tensor]:
        """The loss of queries, MaskFormer's."""
        assert self.sampler == 'of queries'
        for sample in batch_data_samples:
            sample.set_metainfo(dict(batch_input_shape=sample.img_shape))
        classes, masks = self(x, batch_data_samples)
        return self.loss_by_feat(classes, masks, torch.cat([sample.gt_sem_seg.data for sample in batch_data_samples]))

    def loss_by_feat(self, classes: list[Tensor], masks: list[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """As in MMDetection, named like that of MMSegmentation's heads, but with other arguments."""
        return set_loss(classes, masks, labels)

    def predict(self, x: tuple[Tensor, ...], batch_img_metas: list[dict], test_cfg: dict) -> Tensor:
        """MaskFormer's semantic inference, at the size of the image."""
        samples = []
        for metainfo in batch_img_metas:
            metainfo['batch_input_shape'] = metainfo['img_shape']
            samples.append(SegDataSample(metainfo=metainfo))
        classes, masks = self(x, samples)
        masks = F.interpolate(masks[-1], batch_img_metas[0]['img_shape'], mode='bilinear', align_corners=False)
        return torch.einsum('bqc,bqhw->bchw', classes[-1].softmax(-1)[..., :-1], masks.sigmoid())


def query_segmentor(num_classes: int, data_preprocessor: dict | None = None, **options: Any) -> ConfigDict:
    """Returns the config of a tiny segmentor with that head, and no other; ``options`` are the head's."""
    head = (
        dict(
            type='TinyQueryHead',
            in_channels=32,
            feat_channels=8,
            num_classes=num_classes,
            loss_cls=dict(type='CrossEntropyLoss', class_weight=[1.0] * num_classes + [0.1]),
        )
        | options
    )
    more = {} if data_preprocessor is None else {'data_preprocessor': data_preprocessor}
    return ConfigDict({**SEGMENTOR, 'decode_head': head, 'auxiliary_head': None, **more})
