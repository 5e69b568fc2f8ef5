"""Orthogonality of new classes, on rows and on tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict

from mmciss.errors import ConfigError
from mmciss.functional import class_orthogonality
from mmciss.models.losses import ClassOrthogonalityLoss
from mmciss.models.losses.class_orthogonality_loss import class_vectors
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from tests.models.losses import samples
from tests.models.tiny import LATER, segmentor_config
from tests.models.tiny_heads import tiny_segmentor


def model_of(config: dict, **options: Any) -> IncrementalSegmentor:
    losses = dict(orth=dict(type='ClassOrthogonalityLoss', loss_weight=3.0))
    return IncrementalSegmentor(ConfigDict(config), LATER, losses=losses, **options)


@pytest.mark.parametrize('name', ['FCNHead', 'SegmenterMaskTransformerHead'])
def test_rows_or_tokens(name: str) -> None:
    """Times the share of classes that are new, two of five."""
    model = model_of(segmentor_config(5) if name == 'FCNHead' else tiny_segmentor(name, 5))
    head = model.segmentor.decode_head
    vectors = head.conv_seg.weight[:, :, 0, 0] if name == 'FCNHead' else head.cls_emb[0]
    loss = model.losses['orth'](samples.student(), None, torch.zeros(1), model.context)
    torch.testing.assert_close(loss, 3 * 2 / 5 * class_orthogonality(vectors, 3))
    loss.backward()
    learning = head.conv_seg.steps[1].weight if name == 'FCNHead' else head.cls_emb
    assert learning.grad.abs().sum() > 0


def test_a_model_without_a_vector_for_each_class_is_refused() -> None:
    structure = dict(type='StepHeads', channels=4)
    with pytest.raises(ConfigError, match=r'method.losses.orth: ClassOrthogonalityLoss needs class tokens'):
        model_of(segmentor_config(5), structure=structure)
    assert class_vectors(model_of(segmentor_config(5)).segmentor).shape == (5, 8)
    assert ClassOrthogonalityLoss().loss_weight == 1
