"""The teacher's masks complete the labels that the head's own loss sees."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.functional import mask_pseudo_labels, query_distillation
from mmciss.models.labelers import MaskLabeler
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.teacher import build_teacher
from mmciss.protocols.step import Step
from tests.models.set_loss import set_loss
from tests.models.tiny import BASE, LATER, batch, segmentor_config
from tests.models.tiny_queries import query_segmentor


@pytest.fixture
def model(tmp_path: Path) -> IncrementalSegmentor:
    """A model at its second step, whose teacher is sure of something."""
    torch.manual_seed(0)
    own = dict(type='SetLoss')
    base = IncrementalSegmentor(query_segmentor(3, loss_decode=own), BASE)
    base.init_weights()
    with torch.no_grad():
        base.segmentor.decode_head.cls_embed.steps[0].weight.normal_(std=4)
        base.segmentor.decode_head.pixels.weight.mul_(20)
    torch.save({'state_dict': base.plain_weights()}, tmp_path / 'model.pth')
    model = IncrementalSegmentor(
        query_segmentor(5, loss_decode=own),
        LATER,
        losses=dict(kd=dict(type='QueryDistillationLoss', loss_weight=3.0)),
        labeler=dict(type='MaskLabeler', threshold=0.4),
        initializer=dict(type='BackgroundInitializer'),
        previous=dict(model=str(tmp_path / 'model.pth'), state=None),
    )
    model.init_weights()
    model.set_teacher(build_teacher(model, 'cpu'))
    return model.train()


def test_labels_and_distillation_come_from_the_teacher_s_queries(model: IncrementalSegmentor) -> None:
    inputs, samples = batch()
    given = torch.cat([sample.gt_sem_seg.data for sample in samples])
    old = model.teacher(inputs).queries
    labels = mask_pseudo_labels(given, old.classes, old.masks, 0.4)
    changed = labels != given
    assert changed.any() and (given[changed] == 0).all() and labels[changed].max() <= 2
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=sample.img_shape))  # what the head reads, as its own loss sets it
    state = copy.deepcopy(model.state_dict())
    found = model.loss(inputs, samples)
    model.load_state_dict(state)  # the statistics of batch norms moved
    classes, masks = model.segmentor.decode_head.query_logits(model.segmentor.extract_feat(inputs), samples)
    expected = set_loss(classes, masks, labels)
    assert set(found) == {'loss_kd', *(f'decode.{name}' for name in expected)}
    for name, value in expected.items():
        torch.testing.assert_close(found[f'decode.{name}'], value)
    torch.testing.assert_close(found['loss_kd'], 3 * query_distillation(classes[-1], old.classes))
    assert torch.equal(torch.cat([sample.gt_sem_seg.data for sample in samples]), given), 'the batch is not changed'


def test_a_head_without_queries_is_refused() -> None:
    words = r'^method.labeler: MaskLabeler needs a head that classifies queries, .*; model.decode_head is FCNHead$'
    with pytest.raises(ConfigError, match=words):
        IncrementalSegmentor(segmentor_config(5), LATER, labeler=dict(type='MaskLabeler'))


def test_a_protocol_without_background_is_refused() -> None:
    step = Step(1, new=(3,), old=(1, 2), sizes=(2, 1), names=('a', 'b', 'c'), background=False)
    with pytest.raises(ConfigError, match='method.labeler: MaskLabeler completes the background, which step 1'):
        MaskLabeler().check_step(step)
    MaskLabeler().check_step(LATER)
