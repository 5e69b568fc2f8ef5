"""What stored images and a method's own settings change in the config of a step."""

from __future__ import annotations

import pytest

from mmciss.engine.runner.schedule import StepPlan
from mmciss.engine.runner.step_config import make_step_config
from mmciss.errors import ConfigError
from mmciss.models.step_context import StepState
from tests.engine.runner.test_step_config import BASE, LATER, config

FILES = StepState('run/step_0/model.pth', 'run/step_0/state.pth', 'run/step_0/memory.json')


def memory(mode: str) -> dict:
    return dict(name='M', memory=dict(size=3, mode=mode))


def test_later_steps_see_stored_images() -> None:
    out = make_step_config(config(method=memory('concat')), LATER, StepPlan(7, global_batch=8), FILES)
    dataset = out.train_dataloader.dataset
    assert dataset.type == 'ReplayDataset' and dataset.memory == 'run/step_0/memory.json'
    assert dataset.options == dict(size=3, mode='concat')
    assert dataset.dataset.type == 'IncrementalDataset' and dataset.dataset.split == 'train'
    assert out.train_dataloader.sampler.type == 'IncrementalInfiniteSampler'
    assert out.test_dataloader.dataset.type == 'IncrementalDataset'


def test_batches_are_mixed_by_the_sampler() -> None:
    out = make_step_config(config(method=memory('batch')), LATER, StepPlan(7, global_batch=8), FILES)
    assert out.train_dataloader.sampler == dict(type='ReplaySampler', shuffle=True, seed=5, batch_size=8)
    cfg = config(method=memory('batch'))
    cfg.train_dataloader.sampler.type = 'DefaultSampler'
    with pytest.raises(ConfigError, match=r"train_dataloader.sampler.type.*'DefaultSampler'"):
        make_step_config(cfg, LATER, StepPlan(7, global_batch=8), FILES)


def test_the_base_step_sees_none() -> None:
    out = make_step_config(config(method=memory('batch')), BASE, StepPlan(7, global_batch=8))
    assert out.train_dataloader.dataset.type == 'IncrementalDataset'
    assert out.train_dataloader.sampler.type == 'IncrementalInfiniteSampler'


def test_settings_of_the_method_yield_to_those_of_the_steps() -> None:
    groups = {'backbone': dict(lr_mult=0.1), 'conv_seg.steps.new.': dict(decay_mult=1.0)}
    method = dict(
        name='M', cfg={'optim_wrapper.paramwise_cfg': dict(custom_keys=groups), 'a.b': 1}, base=dict(cfg={'a.b': 2})
    )
    later = make_step_config(config(method=method), LATER, StepPlan(7, cfg={'a.b': 3}), FILES)
    assert later.optim_wrapper.paramwise_cfg.custom_keys == {
        'backbone': dict(lr_mult=0.1),
        'conv_seg.steps.1.': dict(decay_mult=1.0),
    }
    assert later.a.b == 3
    base = make_step_config(config(method=method), BASE, StepPlan(7))
    assert base.a.b == 2 and 'paramwise_cfg' not in base.optim_wrapper


def test_groups_of_the_newest_rows_vanish_where_a_step_adds_none() -> None:
    from mmciss.protocols.step import Step

    domain = Step(1, new=(), old=(1, 2, 3), sizes=(4, 0), names=('background', 'a', 'b', 'c'))
    method = dict(cfg={'optim_wrapper.paramwise_cfg': dict(custom_keys={'steps.new.': dict(lr_mult=2)})})
    out = make_step_config(config(method=method), domain, StepPlan(7), FILES)
    assert out.optim_wrapper.paramwise_cfg.custom_keys == {}
