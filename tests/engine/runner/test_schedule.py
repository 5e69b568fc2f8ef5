"""Length and learning rate of steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.engine.runner.schedule import make_resumable, plan_step, scale_schedulers, step_options
from mmciss.errors import ConfigError

STEPS = {'base': {'lr': 0.01, 'epochs': 30}, 'later': {'lr': 0.001, 'iters': 40}, '3': {'epochs': 2}}


def test_base_later_and_own_options() -> None:
    assert step_options(STEPS, 0) == {'lr': 0.01, 'epochs': 30}
    assert step_options(STEPS, 2) == {'lr': 0.001, 'iters': 40}
    assert step_options(STEPS, 3) == {'lr': 0.001, 'epochs': 2}, 'own epochs replace the common iterations'


def test_epochs_drop_incomplete_batches_as_the_papers_do() -> None:
    plan = plan_step(STEPS, 0, num_images=9568, global_batch=24, default_iterations=None)
    assert plan.iterations == 30 * (9568 // 24) == 11940
    assert (plan.lr, plan.epochs, plan.global_batch) == (0.01, 30, 24)


def test_a_step_smaller_than_a_batch_still_learns() -> None:
    assert plan_step(STEPS, 3, num_images=5, global_batch=24, default_iterations=None).iterations == 2


@pytest.mark.parametrize(('images', 'iterations', 'epochs'), [(240, 300, 30), (29, 100, 100.0), (5, 100, 100.0)])
def test_steps_of_few_images_have_a_least_number_of_iterations(images: int, iterations: int, epochs: float) -> None:
    plan = plan_step({'later': {'epochs': 30, 'min_iters': 100}}, 1, images, 24, None)
    assert (plan.iterations, plan.epochs) == (iterations, epochs)


def test_an_own_length_replaces_the_common_one_and_its_least() -> None:
    steps = {'later': {'epochs': 30, 'min_iters': 100}, '2': {'iters': 7}, '3': {'epochs': 2}}
    assert [plan_step(steps, index, 29, 24, None).iterations for index in (1, 2, 3)] == [100, 7, 2]


def test_default_length_is_the_configs_own() -> None:
    assert plan_step(None, 1, 100, 10, default_iterations=77).iterations == 77
    with pytest.raises(ConfigError, match='no length'):
        plan_step(None, 1, 100, 10, default_iterations=None)


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        ({'base': {'lr': float('nan'), 'iters': 3}}, 'steps.base.lr must be a positive number, found nan'),
        (
            {'base': {'iters': 1e30}},
            'steps.base.iters: 1e[+]30 makes 1e[+]30 iterations; at most 1,000,000,000 are allowed',
        ),
        ({'base': {'epochs': 1e12}}, 'steps.base.epochs: 1000000000000.0 makes'),
        ({'base': {'iters': 2.5}}, 'steps.base.iters must be a whole number, found 2.5'),
        ({'base': {'lr': -1, 'iters': 3}}, 'steps.base.lr must be a positive number, found -1'),
        ({'base': {'iters': 3, 'epochs': 2}}, "'iters' or 'epochs', not both"),
        ({'base': {'epoch': 3}}, "steps.base.epoch: unknown option 'epoch'.*epochs"),
        ({'bse': {}}, "steps.bse: unknown group of steps 'bse'.*Did you mean 'base'"),
        ({'base': {'iters': True}}, 'found True'),
        ({'base': {'min_iters': 5}}, "steps.base.min_iters: is the least number .* 'epochs' are given"),
        ({'base': {'min_iters': 5, 'iters': 9}}, 'steps.base.min_iters: is the least number'),
        ({'base': {'min_iters': 0.5, 'epochs': 9}}, 'steps.base.min_iters must be a whole number, found 0.5'),
        ({'base': {'min_iters': -1, 'epochs': 9}}, 'steps.base.min_iters must be a positive number, found -1'),
    ],
)
def test_wrong_options_name_the_key(steps: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_step(steps, 0, 100, 10, None)


def test_schedulers_are_stretched() -> None:
    schedulers = [
        dict(type='LinearLR', begin=0, end=100, by_epoch=False),
        dict(type='PolyLR', begin=100, end=1000, by_epoch=False),
        dict(type='MultiStepLR', by_epoch=False, milestones=[500, 800]),
        dict(type='StepLR', by_epoch=True, end=7),
    ]
    warmup, poly, multi, epochs = scale_schedulers(schedulers, 1000, 500)
    assert (warmup['end'], poly['begin'], poly['end']) == (50, 50, 500)
    assert multi['milestones'] == [250, 400]
    assert epochs['end'] == 7
    assert schedulers[1]['end'] == 1000, 'the config itself is not changed'
    assert scale_schedulers(None, 1, 2) is None
    assert scale_schedulers(schedulers[0], 1000, 10)['end'] == 1


@given(images=st.integers(1, 5000), batch=st.integers(1, 64), epochs=st.integers(1, 50))
def test_iterations_never_exceed_the_epochs(images: int, batch: int, epochs: int) -> None:
    plan = plan_step({'base': {'epochs': epochs}}, 0, images, batch, None)
    assert plan.iterations >= 1
    if images >= batch:
        assert plan.iterations * batch <= epochs * images < (plan.iterations + epochs) * batch


@pytest.mark.parametrize(('count', 'interval', 'rounded'), [(1, 4, 4), (3, 1, 3), (3, 3, 3), (3, 4, 6), (2, -1, -1)])
def test_checkpoints_are_written_between_two_updates(count: int, interval: int, rounded: int) -> None:
    hook = dict(type='CheckpointHook', interval=interval, save_begin=interval)
    make_resumable(hook, count)
    assert hook['interval'] == hook['save_begin'] == rounded


def test_the_last_checkpoint_is_not_deleted_before_the_next_is_there() -> None:
    for kept, expected in ((1, 2), (2, 2), (5, 5), (-1, -1)):
        hook = dict(max_keep_ckpts=kept)
        make_resumable(hook)
        assert hook == dict(max_keep_ckpts=expected)


def test_solved_steps_have_no_iteration_and_the_base_step_may_have_none() -> None:
    plans = [plan_step(STEPS, index, 9568, 24, None, solved=True).iterations for index in (0, 1, 3)]
    assert plans == [11940, 0, 0]
    assert plan_step(dict(base=dict(iters=0)), 0, 10, 2, None, solved=True).iterations == 0
    with pytest.raises(ConfigError, match='steps.base.iters must be a positive number, found 0'):
        plan_step(dict(base=dict(iters=0)), 0, 10, 2, None)
    with pytest.raises(ConfigError, match='steps.base.lr must be a positive number, found 0'):
        plan_step(dict(base=dict(iters=5, lr=0)), 0, 10, 2, None, solved=True)
