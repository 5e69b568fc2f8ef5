"""A frozen network does not cause hundreds of warnings."""

from __future__ import annotations

import logging

import pytest
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmciss.utils.log_filters import drop_frozen_parameter_notes


class Kept(logging.Handler):
    """Keeps the texts that reach a handler."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.mark.parametrize('dropped', [False, True])
def test_the_notes_are_dropped_and_nothing_else(dropped: bool) -> None:
    logger = MMLogger.get_instance(f'notes_{dropped}')
    handler = Kept()
    logger.addHandler(handler)
    if dropped:
        drop_frozen_parameter_notes()
        drop_frozen_parameter_notes()
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    # Frozen parameters are only mentioned where groups are made.
    build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1),
            paramwise_cfg=dict(norm_decay_mult=0.0),
        ),
    )
    logger.warning('something else')
    assert len([text for text in handler.texts if 'requires_grad=False' in text]) == (0 if dropped else 2)
    assert handler.texts[-1] == 'something else'
