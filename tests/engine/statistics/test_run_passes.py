"""Passes together, one after the other, and on two processes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmciss.engine.statistics import (
    BackgroundAttribution,
    ClassPrototypes,
    DataPass,
    EntropyThresholds,
    RectifiedEntropyThresholds,
)
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.functional.choices import assert_same_choice
from tests.models.tiny import LATER
from tests.process_group import run_in_group


class Count(DataPass):
    """Counts images, and what it found before it began."""

    def __init__(self, name: str, requires: tuple[str, ...] = ()) -> None:
        self.name, self.requires = name, requires

    def begin(self, context: StepContext, model: Any) -> None:
        super().begin(context, model)
        self.known = sorted(context.statistics)
        self.images = 0

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        self.images += len(inputs)

    def finish(self) -> dict[str, Any]:
        return {self.name: self.images}


def passes() -> dict[str, DataPass]:
    return dict(
        thresholds=EntropyThresholds(minimum=0.0),
        prototypes=ClassPrototypes('backbone'),
        rectified=RectifiedEntropyThresholds('backbone', minimum=0.0),
        attribution=BackgroundAttribution(),
    )


def test_passes_share_one_forward_and_wait_for_what_they_require() -> None:
    calls = []

    class Teacher:
        def __call__(self, inputs: Tensor, layers: list[str]) -> SegOutput:
            calls.append(list(layers))
            return SegOutput(torch.zeros(len(inputs), 3, 2, 2))

    b = Count('b', requires=('a',))
    b.layers = ('neck',)
    found = run_passes(dict(b=b, a=Count('a'), c=Count('c')), StepContext(LATER), Teacher(), samples.batches)
    assert found == {'a': 5, 'c': 5, 'b': 5}
    assert b.known == ['a', 'c']
    assert calls == [[]] * 3 + [['neck']] * 3


def test_a_missing_requirement_and_a_double_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'method.statistics.b: Count requires z.*\(a\)'):
        run_passes(dict(a=Count('a'), b=Count('b', ('z',))), StepContext(LATER), samples.teacher(), samples.batches)
    with pytest.raises(ConfigError, match=r"method.statistics.second: 'a' was found by another pass"):
        run_passes(dict(first=Count('a'), second=Count('a')), StepContext(LATER), samples.teacher(), samples.batches)


def on_one_of(rank: int, world: int) -> dict:
    """Returns what a rank finds; with three ranks the last has no image at all."""
    mine = samples.batches()[rank::2] if rank < 2 else []
    return run_passes(passes(), StepContext(LATER), samples.teacher(), lambda: mine)


def test_three_processes_find_what_one_finds() -> None:
    alone = run_passes(passes(), StepContext(LATER), samples.teacher(), samples.batches)
    for found in run_in_group(on_one_of, world=3, start_method='fork'):
        assert found.keys() == alone.keys()
        for name in (
            'entropy_thresholds',
            'entropy_medians',
            'rectified_entropy_thresholds',
            'prototypes',
            'attribution',
        ):
            torch.testing.assert_close(found[name], alone[name], rtol=1e-5, atol=1e-7, equal_nan=True)
        assert torch.equal(found['prototype_counts'], alone['prototype_counts'])
        scores = alone['attribution']
        assert_same_choice(
            found['channel_mask']['decode_head.conv_seg'],
            alone['channel_mask']['decode_head.conv_seg'],
            scores,
            1e-5 * float(scores.abs().max()),
        )
