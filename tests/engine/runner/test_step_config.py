"""From a user's config to the config of one step."""

from __future__ import annotations

import copy

import pytest
from mmengine.config import Config

from mmciss.engine.runner.schedule import StepPlan
from mmciss.engine.runner.step_config import make_step_config, method_slots, trained_slots
from mmciss.errors import ConfigError
from mmciss.models.step_context import StepState
from mmciss.protocols.step import Step
from mmciss.utils.configs import load_method

NAMES = ('background', 'a', 'b', 'c')
BASE = Step(0, new=(1, 2), old=(), sizes=(3,), names=NAMES[:3])
LATER = Step(1, new=(3,), old=(1, 2), sizes=(3, 1), names=NAMES)
PREVIOUS = StepState('run/step_0/model.pth', 'run/step_0/state.pth')
METHOD = dict(
    name='Test',
    main_loss=dict(type='MainLoss'),
    losses=dict(kd=dict(type='Distillation')),
    initializer=dict(type='BackgroundInitializer'),
    classifier=dict(auxiliary=1),
    statistics=dict(thresholds=dict(type='Pass')),
    hooks=[dict(type='MyHook')],
    base=dict(main_loss=dict(type='BaseLoss')),
)


def config(**changes: object) -> Config:
    """A small but complete user config."""
    loader = dict(
        batch_size=4,
        num_workers=0,
        dataset=dict(type='Data', pipeline=[dict(type='LoadAnnotations')]),
        sampler=dict(type='InfiniteSampler', shuffle=True),
    )
    cfg = dict(
        protocol=dict(name='2-1', setting='disjoint', label_policy='mib'),
        method=copy.deepcopy(METHOD),
        steps=dict(base=dict(lr=0.1)),
        work_dir='run',
        load_from='mine.pth',
        default_scope='mmseg',
        model=dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='Pre'),
            backbone=dict(type='B', init_cfg=dict(type='Pretrained', checkpoint='c')),
            decode_head=dict(type='FCNHead', num_classes=21, loss_decode=dict(type='CrossEntropyLoss')),
            auxiliary_head=dict(
                type='FCNHead', num_classes=21, loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4)
            ),
        ),
        train_dataloader=loader,
        test_dataloader=dict(loader, sampler=dict(type='DefaultSampler')),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=100),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        param_scheduler=[dict(type='PolyLR', end=100, by_epoch=False)],
        randomness=dict(seed=5),
        visualizer=dict(type='SegLocalVisualizer', name='visualizer'),
    )
    cfg.update(changes)
    return Config(cfg)


def test_checkpoints_of_a_step_are_made_resumable() -> None:
    cfg = config(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=4, max_keep_ckpts=1)))
    cfg.optim_wrapper.accumulative_counts = 3
    hook = make_step_config(cfg, BASE, StepPlan(40)).default_hooks.checkpoint
    assert (hook.interval, hook.max_keep_ckpts) == (6, 2)
    cfg.default_hooks.checkpoint = None
    assert make_step_config(cfg, BASE, StepPlan(40)).default_hooks.checkpoint is None


def test_base_step() -> None:
    out = make_step_config(config(), BASE, StepPlan(40, lr=0.1, global_batch=8))
    assert out.model.type == 'IncrementalSegmentor' and out.model.segmentor.type == 'EncoderDecoder'
    assert out.model.segmentor.decode_head.num_classes == out.model.segmentor.auxiliary_head.num_classes == 3
    assert out.model.segmentor.decode_head.loss_decode.type == 'BaseLoss'
    assert out.model.segmentor.backbone.init_cfg.checkpoint == 'c', 'pretrained weights belong to the base step'
    assert out.model.checkpoint == 'mine.pth' and out.load_from is None
    assert out.model.losses is None and out.model.initializer is None and out.model.previous is None
    assert out.model.classifier == dict(auxiliary=1), 'slots that shape the model hold at every step'
    assert out.train_cfg.max_iters == 40 and out.param_scheduler[0].end == 40 and out.optim_wrapper.optimizer.lr == 0.1
    assert not {'protocol', 'method', 'steps'} & set(out.keys())


def test_later_step() -> None:
    out = make_step_config(config(), LATER, StepPlan(7, global_batch=8), PREVIOUS)
    assert Step.from_dict(out.model.step) == LATER
    assert out.model.segmentor.decode_head.num_classes == 4
    assert out.model.segmentor.decode_head.loss_decode == dict(type='MainLoss', loss_weight=1.0)
    assert out.model.segmentor.auxiliary_head.loss_decode == dict(type='MainLoss', loss_weight=0.4)
    assert out.model.segmentor.backbone.init_cfg is None, 'later steps start from the previous step, not from ImageNet'
    assert out.model.previous == PREVIOUS.to_dict() and out.model.checkpoint is None
    assert out.model.losses == METHOD['losses'] and out.model.initializer == METHOD['initializer']
    assert out.model.data_preprocessor.type == 'Pre' and 'data_preprocessor' not in out.model.segmentor
    assert out.work_dir == 'run/step_1' and out.experiment_name.endswith('step_1')
    assert out.randomness.seed == 6, 'each step has random numbers of its own'
    assert [hook.type for hook in out.custom_hooks] == [
        'TeacherHook',
        'ReproducibleRandomHook',
        'StatisticsHook',
        'NonFiniteLossHook',
        'MyHook',
    ]
    assert out.optim_wrapper.optimizer.lr == 1.0, 'without steps.later.lr the config keeps its own'


def test_data_is_wrapped_once_per_split() -> None:
    out = make_step_config(config(), LATER, StepPlan(7, global_batch=8), PREVIOUS)
    for split in ('train', 'test'):
        dataset = out[f'{split}_dataloader'].dataset
        assert (dataset.type, dataset.split, dataset.step_index) == ('IncrementalDataset', split, 1)
        assert dataset.policy == 'mib' and dataset.protocol == dict(name='2-1', setting='disjoint')
        assert dataset.dataset.type == 'Data'
    assert out.train_dataloader.sampler == dict(type='IncrementalInfiniteSampler', shuffle=True, seed=5, batch_size=8)
    assert out.test_dataloader.sampler.type == 'DefaultSampler'
    assert out.test_evaluator.type == 'IncrementalIoUMetric' and out.test_evaluator.sizes == [3, 1]


def test_metrics_of_the_user_stay_beside_ours() -> None:
    own = dict(type='MetricOfAUser', unit='px')
    cfg = config(test_evaluator=[dict(type='IoUMetric', iou_metrics=['mIoU']), own])
    out = make_step_config(cfg, LATER, StepPlan(7, global_batch=8), PREVIOUS)
    assert out.test_evaluator.type == 'IncrementalEvaluator'
    ours, kept = out.test_evaluator.metrics
    assert (ours.type, ours.sizes) == ('IncrementalIoUMetric', [3, 1]) and kept == own
    assert Config.fromstring(out.pretty_text, '.py').test_evaluator == out.test_evaluator
    assert cfg.test_evaluator[1] == own


def test_results_of_a_joint_model_are_reported_by_the_steps_of_the_protocol() -> None:
    out = make_step_config(config(), BASE, StepPlan(4), report_sizes=(2, 1))
    assert out.test_evaluator.sizes == [2, 1]


def test_the_users_config_is_not_changed_and_the_result_can_be_dumped() -> None:
    cfg = config()
    before = cfg.pretty_text
    out = make_step_config(cfg, LATER, StepPlan(7, cfg={'train_cfg.val_interval': 3}), PREVIOUS)
    assert cfg.pretty_text == before
    assert out.train_cfg.val_interval == 3
    assert Config.fromstring(out.pretty_text, '.py').to_dict() == out.to_dict()


@pytest.mark.parametrize('dotted', (False, True))
def test_each_step_gives_its_own_newest_rows_their_options(dotted: bool) -> None:
    """Making the config of one step must not rename the groups of the next."""
    groups = dict(custom_keys={'steps.new.': dict(lr_mult=10.0)})
    changes = {'optim_wrapper.paramwise_cfg': groups} if dotted else dict(optim_wrapper=dict(paramwise_cfg=groups))
    cfg = config(method=dict(METHOD, cfg=changes), steps=dict(later=dict(cfg=copy.deepcopy(changes))))
    before = copy.deepcopy(cfg.to_dict())
    last = Step(2, new=(4,), old=(1, 2, 3), sizes=(3, 1, 1), names=(*NAMES, 'd'))
    for step in (LATER, last, LATER):
        plan = StepPlan(7, cfg=cfg.steps.later.cfg, global_batch=8)
        out = make_step_config(cfg, step, plan, PREVIOUS)
        assert out.optim_wrapper.paramwise_cfg.custom_keys == {f'steps.{step.index}.': dict(lr_mult=10.0)}
    assert cfg.to_dict() == before


def test_fine_tuning_is_the_absence_of_a_method() -> None:
    out = make_step_config(config(method=None), LATER, StepPlan(7), PREVIOUS)
    assert out.model.losses is None and out.model.segmentor.decode_head.loss_decode.type == 'CrossEntropyLoss'


def test_constructors_that_read_parameter_names_see_the_plain_segmentor() -> None:
    cfg = config(
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1.0), constructor='LearningRateDecayOptimizerConstructor')
    )
    out = make_step_config(cfg, LATER, StepPlan(7), PREVIOUS)
    assert out.optim_wrapper.constructor == 'SegmentorOptimWrapperConstructor'
    assert out.optim_wrapper.inner_constructor == 'LearningRateDecayOptimizerConstructor'


@pytest.mark.parametrize(
    ('method', 'message'),
    [
        (dict(name='x', lossess={}), r"method.lossess: unknown slot 'lossess'.*Did you mean 'losses'"),
        (dict(base=dict(name='x')), r"method.base.name: unknown slot 'name'"),
    ],
)
def test_unknown_slots_are_refused(method: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        method_slots(method, BASE)


def test_previous_step_and_index_must_agree() -> None:
    with pytest.raises(ConfigError, match='step 1 must have a previous step'):
        make_step_config(config(), LATER, StepPlan(7))
    with pytest.raises(ConfigError, match='step 0 must not have a previous step'):
        make_step_config(config(), BASE, StepPlan(7), PREVIOUS)


@pytest.mark.parametrize(
    ('value', 'expected'),
    [(None, None), (False, None), (True, {}), ({}, {}), ({'mode': 'default'}, {'mode': 'default'})],
)
def test_the_model_compiles_itself_and_mmengine_does_not(value: object, expected: dict | None) -> None:
    out = make_step_config(config(compile=value), BASE, StepPlan(3), None)
    assert out.model.compiling == expected and 'compile' not in out


@pytest.mark.parametrize('own', [dict(clip_grad=None), {}, dict(clip_grad=dict(norm_type=1))])
def test_a_method_clips_gradients_where_a_schedule_says_none(own: dict) -> None:
    cfg = config(method=dict(METHOD, cfg=dict(optim_wrapper=dict(clip_grad=dict(max_norm=1.0)))))
    cfg.optim_wrapper.update(own)
    found = make_step_config(cfg, LATER, StepPlan(10), PREVIOUS)
    assert found.optim_wrapper.clip_grad == {**(own.get('clip_grad') or {}), 'max_norm': 1.0}
    assert cfg.optim_wrapper.get('clip_grad') == own.get('clip_grad'), "the user's config stays as it is"


def test_a_step_without_iterations_needs_no_parameter_that_learns() -> None:
    cfg = config()
    cfg.optim_wrapper.update(constructor='ByLayer', paramwise_cfg=dict(norm_decay_mult=0.0))
    trained, solved = (make_step_config(cfg, LATER, StepPlan(count), PREVIOUS).optim_wrapper for count in (3, 0))
    assert trained.paramwise_cfg and trained.inner_constructor == 'ByLayer'
    assert solved == dict(optimizer=dict(type='SGD', lr=1.0))


@pytest.mark.parametrize(
    ('method', 'alike'),
    [
        ('mib', 'finetuning'),
        ('anchor', 'finetuning'),
        ('closed_form_fine', 'finetuning'),
        ('cogamid', 'star'),
        ('adapter', 'star'),
    ],
)
def test_base_steps_may_train_the_same_model(method: str, alike: str) -> None:
    found, other = (trained_slots(method_slots(load_method(name).method, BASE)) for name in (method, alike))
    assert found == other is not None


@pytest.mark.parametrize('method', ['dkd', 'ssul', 'rcil', 'sdr'])
def test_training_may_leave_more_than_the_model(method: str) -> None:
    """A classifier with auxiliary channels, losses, a structure that learns, prototypes that see every batch."""
    assert trained_slots(method_slots(load_method(method).method, BASE)) is None
