"""Passes together, one after the other, and on two processes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
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


def on_one_of(rank: int, world: int, port: int, folder: str) -> None:
    """One rank's part; with three ranks the last has no image at all."""
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world))
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', rank=rank, world_size=world)
    mine = samples.batches()[rank::2] if rank < 2 else []
    found = run_passes(passes(), StepContext(LATER), samples.teacher(), lambda: mine)
    torch.save(found, Path(folder) / f'{rank}.pth')
    torch.distributed.destroy_process_group()


def test_three_processes_find_what_one_finds(tmp_path: Path) -> None:
    alone = run_passes(passes(), StepContext(LATER), samples.teacher(), samples.batches)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    # Forked, they need not import everything again.
    mp.start_processes(on_one_of, (3, port, str(tmp_path)), nprocs=3, start_method='fork')
    for rank in range(3):
        found = torch.load(tmp_path / f'{rank}.pth', weights_only=True)
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
