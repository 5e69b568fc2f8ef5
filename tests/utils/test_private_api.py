"""What the private names of torch and mmengine are needed for: these tests fail where a release renames one."""

from __future__ import annotations

import inspect
from typing import Any

import mmengine.runner.checkpoint as mmengine_checkpoint
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from torch import nn
from torch.utils.data import DataLoader

from mmciss.utils.private_api import (
    DROPOUTS,
    NORMS,
    AdaptsState,
    forget_instance,
    replace_mmengine_readers,
    stop_workers,
    unscales_by_itself,
)


def test_norms_and_dropouts_of_any_dimension_and_of_mmengine_are_known() -> None:
    norms = nn.BatchNorm1d(2), nn.BatchNorm3d(2), nn.InstanceNorm2d(2), nn.SyncBatchNorm(2)
    assert all(isinstance(norm, NORMS) for norm in (*norms, revert_sync_batchnorm(nn.SyncBatchNorm(2))))
    assert all(isinstance(layer, DROPOUTS) for layer in (nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout()))
    others = nn.GroupNorm(1, 2), nn.LayerNorm(2), nn.Conv2d(1, 1, 1)
    assert not any(isinstance(layer, (NORMS, DROPOUTS)) for layer in others)


class Doubled(AdaptsState):
    """Loads the half of its weight, and refuses a negative one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        if state[f'{prefix}half'] < 0:
            errors.append(f'{prefix}half is negative')
        state[f'{prefix}weight'] = 2 * state.pop(f'{prefix}half')


@pytest.mark.parametrize('load', [nn.Module.load_state_dict, load_state_dict])
def test_a_module_may_change_what_it_loads_with_torch_and_mmengine(load: Any) -> None:
    model = nn.Sequential(Doubled())
    load(model, {'0.half': torch.ones(1)}, strict=True)
    assert model[0].weight.item() == 2
    if load is not load_state_dict:  # mmengine only logs errors
        with pytest.raises(RuntimeError, match='0.half is negative'):
            load(model, {'0.half': -torch.ones(1)})


def test_every_way_in_which_mmengine_reads_ends_in_the_two_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('_safe_torch_load', 'load_url'):
        monkeypatch.setattr(mmengine_checkpoint, name, getattr(mmengine_checkpoint, name))
    replace_mmengine_readers(lambda *args, **kwargs: {'read': 1}, lambda *args, **kwargs: {'downloaded': 1})
    assert CheckpointLoader.load_checkpoint(__file__) == {'read': 1}
    assert CheckpointLoader.load_checkpoint('https://nowhere/x.pth') == {'downloaded': 1}


def test_workers_end_and_the_next_pass_starts_new_ones() -> None:
    class Loop:
        dataloader = DataLoader([1, 2], num_workers=1, persistent_workers=True)

    class Runner:
        _train_loop, _val_loop, _test_loop = Loop(), None, dict(type='TestLoop')

    assert len(list(Loop.dataloader)) == 2
    workers = Loop.dataloader._iterator._workers
    assert all(worker.is_alive() for worker in workers)
    stop_workers(Runner())
    assert not any(worker.is_alive() for worker in workers)
    assert len(list(Loop.dataloader)) == 2
    stop_workers(Runner())


def test_an_instance_is_forgotten_and_returned() -> None:
    hub = MessageHub.get_instance('of this test')
    assert forget_instance(MessageHub, 'of this test') is hub
    assert forget_instance(MessageHub, 'of this test') is None
    assert MessageHub.get_instance('of this test') is not hub
    forget_instance(MessageHub, 'of this test')


def test_fused_optimizers_unscale_by_themselves() -> None:
    weight = nn.Parameter(torch.zeros(1))
    assert unscales_by_itself(torch.optim.SGD([weight], lr=1, fused=True))
    assert not unscales_by_itself(torch.optim.SGD([weight], lr=1))
    assert '_step_supports_amp_scaling' in inspect.getsource(torch.amp.GradScaler), 'torch asks for it too'
