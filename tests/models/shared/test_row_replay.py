"""The replay that hands on nothing but numbers of sites."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mmciss.engine.statistics import PredictedSites, RowPrototypes
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import labels_at, predicted_classes, row_prototypes
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.shared import RowReplay
from mmciss.models.step_context import StepContext, StepState
from tests.engine.statistics import samples
from tests.models.tiny import LATER, segmentor_config


def replay_of(statistics: dict) -> RowReplay:
    context = StepContext(LATER, statistics=statistics)
    config = dict(type='RowReplay', sampler=dict(type='SphereSampler'), rule='constant')
    model = IncrementalSegmentor(segmentor_config(5), shared=dict(replay=config), context=context)
    context.previous = StepState(Path('model.pth'))
    context.previous.__dict__['content'] = {'shared': {'replay.counts': torch.tensor([90.0, 40.0, 50.0])}}
    replay = model.shared['replay']
    replay.begin(context)
    return replay


def test_prototypes_are_halfway_between_rows_and_what_is_seen() -> None:
    model = samples.teacher()
    found = run_passes(dict(r=RowPrototypes()), StepContext(LATER), model, samples.batches)
    plain = run_passes(dict(s=PredictedSites()), StepContext(LATER), model, samples.batches)
    for name, value in plain['predicted_sites'].items():
        assert torch.equal(found['predicted_sites'][name], value), name
    sums = torch.zeros(3, 8, dtype=torch.float64)
    for inputs, target in samples.batches():
        output = model(inputs)
        seen = labels_at(predicted_classes(output.logits_at(target.shape[-2:]), 0.0), output.embedding.shape[-2:], True)
        units = F.normalize(output.embedding.double(), dim=1).movedim(1, -1)
        for number in (1, 2):
            assert (seen == number).any()
            sums[number] += units[seen == number].sum(0)
    rows = model.segmentor.decode_head.conv_seg
    surest = row_prototypes(rows.weight[1:, :, 0, 0], rows.bias[1:])
    expected = F.normalize(F.normalize(surest, dim=1) + F.normalize(sums[1:], dim=1), dim=1)
    torch.testing.assert_close(found['row_prototypes'][1:].double(), expected)
    assert not found['row_prototypes'][0].any(), 'the background has none'


def test_only_counts_are_handed_on() -> None:
    found = run_passes(dict(r=RowPrototypes()), StepContext(LATER), samples.teacher(), samples.batches)
    replay = replay_of(found)
    assert set(replay.state()) == {'counts', 'predicted', 'labelled', 'images'}
    assert replay.counts[:3].tolist() == [90, 40, 50]
    torch.testing.assert_close(replay.known_prototypes(), found['row_prototypes'][1:].float())
    gap = (found['row_prototypes'][1] - found['row_prototypes'][2]).norm().float()
    torch.testing.assert_close(replay.known().spread[1:].norm(dim=1), gap.expand(2))
    torch.manual_seed(0)
    drawn = replay.draw(torch.tensor([0, 4, 4]), torch.rand(6, 8))
    assert drawn.shape == (8, 8) and drawn.isfinite().all()


def test_the_other_pass_is_not_enough() -> None:
    found = run_passes(dict(s=PredictedSites()), StepContext(LATER), samples.teacher(), samples.batches)
    with pytest.raises(ConfigError, match="RowReplay needs 'row_prototypes'"):
        replay_of(found)
