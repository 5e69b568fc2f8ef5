"""The accuracy of training batches, in some of the iterations."""

from __future__ import annotations

import pytest
from mmengine.logging import MessageHub
from mmseg.registry import MODELS

from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from tests.models.tiny import BASE, batch, segmentor_config


def test_the_losses_are_the_same_with_and_without_accuracy() -> None:
    model = IncrementalSegmentor(segmentor_config(3), BASE, accuracy_interval=3).train()
    inputs, samples = batch(channels=3)
    hub = MessageHub.get_instance('accuracy')
    found = []
    for iteration in range(6):
        hub.update_info('iter', iteration)
        found.append(model.loss(inputs, samples))
    MessageHub._instance_dict.pop('accuracy')
    assert ['decode.acc_seg' in losses for losses in found] == [False, False, True] * 2
    plain = MODELS.build(segmentor_config(3)).train()
    assert found[2].keys() == plain.loss(inputs, samples).keys(), 'plain heads compute it as before'
    for losses in found:
        assert losses['decode.loss_ce'].item() == pytest.approx(found[0]['decode.loss_ce'].item(), rel=1e-6)
