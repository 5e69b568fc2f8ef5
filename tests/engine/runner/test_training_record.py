"""What an exported config remembers of the training, for extensions of the model."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from mmciss.engine.runner.export import RECORD, training_record


@pytest.mark.parametrize(
    ('base', 'length'), [(dict(iters=70), 70), (dict(), 900), (dict(epochs=3), None), (dict(iters=0), None)]
)
def test_the_base_step_is_the_model_s_own_training(base: dict[str, Any], length: int | None) -> None:
    cfg = Config(
        dict(
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.5)),
            train_dataloader=dict(batch_size=6, dataset=dict(pipeline=[dict(type='LoadAnnotations')])),
            train_cfg=dict(max_iters=900),
            steps=dict(base=dict(base, lr=0.2), later=dict(iters=5, lr=0.1)),
        )
    )
    found = training_record(cfg)
    assert found['train_pipeline'] == [dict(type='LoadAnnotations')]
    assert found[RECORD]['optim_wrapper']['optimizer'] == dict(type='SGD', lr=0.2)
    assert (found[RECORD]['batch_size'], found[RECORD].get('max_iters')) == (6, length)
