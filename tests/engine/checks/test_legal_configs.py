"""Legal configs pass the checks: a false alarm is worse than a mistake found late."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

import mmciss.register_all
from mmciss.engine.checks.config import check_config
from mmciss.engine.runner.launch import prepare_config
from mmciss.errors import ConfigError
from mmciss.utils.configs import load_config
from tests.paths import ROOT
from tests.smoke import SMOKE

OWN = """
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmseg.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, OPTIM_WRAPPERS, PARAM_SCHEDULERS
from mmseg.datasets import BaseSegDataset
from mmengine.dataset import InfiniteSampler
from mmengine.evaluator import BaseMetric
from mmengine.optim import PolyLR
from torch import nn


@HOOKS.register_module(force=True)
class OwnHook(Hook):
    def __init__(self, intervals=1, **kwargs):
        super().__init__()


@DATASETS.register_module(force=True)
class OwnDataset(BaseSegDataset):
    def __init__(self, cities=(), **kwargs):
        super().__init__(**kwargs)


@MODELS.register_module(force=True)
class OwnLoss(nn.Module):
    def __init__(self, margin, loss_weight=1.0, **options):
        super().__init__()


@DATA_SAMPLERS.register_module(force=True)
class OwnSampler(InfiniteSampler):
    def __init__(self, dataset, power=0.5, **kwargs):
        super().__init__(dataset)


@METRICS.register_module(force=True)
class OwnMetric(BaseMetric):
    def __init__(self, what, **kwargs):
        super().__init__()

    def process(self, data_batch, data_samples):
        pass

    def compute_metrics(self, results):
        return dict(own=1)


@OPTIM_WRAPPERS.register_module(force=True)
class OwnWrapper(OptimWrapper):
    pass


@PARAM_SCHEDULERS.register_module(force=True)
class OwnLR(PolyLR):
    pass
"""

HEAD = dict(type='OwnLoss', margin=float('inf'), loss_weight=[1.0, 0.4], sharpness=3)
POLY = dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=False)


def write(folder: Path, text: str) -> Config:
    """Loads a user's config on top of the smoke config."""
    path = folder / 'user.py'
    path.write_text(f'_base_ = {str(ROOT / SMOKE)!r}\n' + textwrap.dedent(text), encoding='utf-8')
    cfg = load_config(path)
    cfg.work_dir = 'unused'
    return prepare_config(cfg)


@pytest.fixture(scope='module')
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """The smoke config, with a module of the user's that custom_imports name."""
    folder = tmp_path_factory.mktemp('own')
    (folder / 'module_of_a_user.py').write_text(OWN, encoding='utf-8')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write(folder, "custom_imports = dict(imports=['module_of_a_user'], allow_failed_imports=False)")


@pytest.mark.parametrize(
    'changes',
    [
        dict(custom_hooks=[dict(type='OwnHook', interval=3, anything=1), dict(type='mmengine.EMAHook', momentum=0.01)]),
        dict(custom_hooks=[dict(type='EarlyStoppingHook', monitor='mIoU', stopping_threshold=float('inf'))]),
        dict(custom_hooks=[dict(type='OwnHook', priority=49)]),
        dict(
            default_hooks=dict(
                own=dict(type='OwnHook', interval=2), logger=dict(type='LoggerHook', interval=1), timer=None
            )
        ),
        dict(
            default_hooks=dict(
                checkpoint=dict(
                    type='CheckpointHook',
                    by_epoch=False,
                    interval=5,
                    save_best='mIoU',
                    rule='greater',
                    max_keep_ckpts=-1,
                    filename_tmpl='it_{}.pth',
                    published_keys=None,
                )
            )
        ),
        dict(default_hooks=None),
        dict(default_hooks=dict(checkpoint=None, logger=None)),
        dict(train_dataloader=dict(dataset=dict(type='OwnDataset', cities=('ulm',), data_root='x', img_sufix='.png'))),
        dict(train_dataloader=dict(sampler=dict(type='OwnSampler', powr=3, alpha=2))),
        dict(train_dataloader=dict(sampler=dict(type='DefaultSampler', shuffle=True, round_up=False))),
        dict(
            train_dataloader=dict(
                num_workers=2,
                prefetch_factor=4,
                persistent_workers=True,
                pin_memory=True,
                collate_fn=dict(type='pseudo_collate'),
            )
        ),
        dict(train_dataloader=dict(num_workers=0, persistent_workers=False, prefetch_factor=None)),
        dict(val_dataloader=None, val_cfg=None, val_evaluator=None),
        dict(val_evaluator=[dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='OwnMetric', what='x', more=1)]),
        dict(
            val_evaluator=dict(metrics=[dict(type='OwnMetric', what='x')]),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='own', rule='greater')),
        ),
        dict(test_evaluator=dict(type='mmseg.IoUMetric', iou_metrics=['mIoU', 'mFscore'], nan_to_num=-1)),
        dict(model=dict(decode_head=dict(loss_decode=HEAD))),
        dict(model=dict(decode_head=dict(loss_decode=[HEAD, dict(type='DiceLoss', loss_weight=3)]))),
        dict(
            model=dict(
                backbone=dict(
                    _delete_=True,
                    type='mmpretrain.ConvNeXt',
                    _scope_='mmpretrain',
                    arch='tiny',
                    out_indices=[0, 1, 2, 3],
                    gap_before_final_norm=False,
                )
            )
        ),
        dict(
            model=dict(backbone=dict(type='TIMMBackbone', model_name='resnet18', pretrained=False, features_only=True))
        ),
        dict(model=dict(data_preprocessor=dict(size=None, size_divisor=32, test_cfg=dict(size_divisor=32)))),
        dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1), clip_grad=None)),
        dict(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=3, clip_grad=dict(max_norm=35, norm_type=2))),
        dict(optim_wrapper=dict(clip_grad=dict(max_norm=float('inf')))),
        dict(optim_wrapper=dict(clip_grad=dict(type='value', clip_value=1.0))),
        dict(optim_wrapper=dict(type='OwnWrapper', clip_grad=dict(own=3))),
        dict(
            optim_wrapper=dict(
                type='AmpOptimWrapper', loss_scale=dict(init_scale=512.0, growth_interval=100), dtype='bfloat16'
            )
        ),
        dict(optim_wrapper=dict(type='AmpOptimWrapper', loss_scale=512.0, use_fsdp=False)),
        dict(
            optim_wrapper=dict(
                constructor='LearningRateDecayOptimizerConstructor',
                paramwise_cfg=dict(decay_rate=0.9, decay_type='stage_wise', num_layers=12),
            )
        ),
        dict(
            optim_wrapper=dict(
                constructor='LayerDecayOptimizerConstructor',
                optimizer=dict(betas=(0.9, 0.999), eps=1e-8),
                paramwise_cfg=dict(num_layers=24, layer_decay_rate=0.9),
            )
        ),
        dict(
            optim_wrapper=dict(
                paramwise_cfg=dict(
                    norm_decay_mult=0.0,
                    bypass_duplicate=True,
                    custom_keys={
                        'backbone.layers.0': dict(lr_mult=0.1),
                        '.norm': dict(decay_mult=0),
                        'head': dict(lr_mult=10.0, decay_mult=1.0),
                    },
                )
            )
        ),
        dict(
            param_scheduler=[
                dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=3),
                dict(**POLY, begin=3, end=20),
                dict(type='OwnLR', power=2, by_epoch=False, begin=0, end=9),
            ]
        ),
        dict(param_scheduler=dict(type='MultiStepLR', milestones=[3, 5], by_epoch=False, gamma=0.1)),
        dict(
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, by_epoch=True, begin=0, end=1, convert_to_iter_based=True)
            ]
        ),
        dict(param_scheduler=None),
        dict(param_scheduler=[]),
        dict(visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], alpha=0.5)),
        dict(visualizer=dict(vis_backends=[])),
        dict(visualizer=None),
        dict(log_processor=None),
        dict(
            log_processor=dict(
                by_epoch=False,
                window_size=10,
                custom_cfg=[dict(data_src='loss', method_name='mean', window_size='global')],
            )
        ),
        dict(
            env_cfg=dict(
                cudnn_benchmark=False,
                mp_cfg=dict(mp_start_method='spawn', opencv_num_threads=2),
                dist_cfg=dict(backend='gloo', timeout=1800),
                resource_limit=4096,
            )
        ),
        dict(env_cfg=None, randomness=None, load_from=None, resume=False, launcher='none', experiment_name=None),
        dict(randomness=dict(seed=None, deterministic=False, diff_rank_seed=True)),
        dict(log_level=20, sync_bn='torch', find_unused_parameters=True, compile=dict(mode='default'), cfg=None),
        dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', find_unused_parameters=True, static_graph=True)),
        dict(auto_scale_lr=dict(enable=False, base_batch_size=16)),
        dict(tta_model=dict(type='SegTTAModel'), tta_pipeline=[]),
        dict(train_cfg=dict(val_interval=7, val_begin=2, dynamic_intervals=[(5, 1)])),
        dict(test_cfg=dict(type='TestLoop', fp16=True)),
        dict(default_scope='mmseg'),
        dict(default_scope=None),
        dict(method=None),
        dict(method=dict(losses=None, labeler=None, base=None, hooks=None, memory=None)),
        dict(steps={'base': dict(iters=3, lr=None), '1': dict(iters=2), 'later': dict(epochs=0.5)}),
        dict(steps=None),
        dict(protocol=dict(order=3, setting='disjoint', steps=None)),
        dict(
            steps2=1,
            method_name='mib',
            seed=3,
            model_cfg=dict(),
            optimizer=dict(type='SGD'),
            schedule=1,
            best=float('inf'),
            nothing=float('nan'),
            classes=['a'],
            num_classes=3,
            max_iters=5,
            lr=0.1,
            val_interval=3,
            protocol_15_1=2,
        ),
    ],
    ids=lambda changes: '+'.join(changes)[:60],
)
def test_it_passes(smoke: Config, changes: dict[str, Any]) -> None:
    cfg = copy.deepcopy(smoke)
    for key, value in changes.items():
        merged = isinstance(value, dict) and isinstance(cfg.get(key), dict)
        cfg.merge_from_dict({key: value}) if merged else cfg.update({key: value})
    check_config(prepare_config(cfg))


def test_a_variable_that_the_file_uses_may_have_any_name(tmp_path: Path) -> None:
    check_config(
        write(
            tmp_path,
            """
        protocols = [dict(name='15-5'), dict(name='15-1')]
        protocol = protocols[1]
        my_steps, stepss = 3, dict(iters=2)
        steps = dict(later=stepss)
        """,
        )
    )
    check_config(
        write(
            tmp_path,
            "modell = 'ResNetV1c'\nmodel = dict(backbone=dict(type='{{modell}}'))\n".replace("'{{modell}}'", 'modell'),
        )
    )


@pytest.mark.parametrize(
    'text',
    ["protocols = dict(name='15-1')", "protcol = dict(name='15-1')  # protcol", 'stpes = dict(base=dict(iters=3))'],
)
def test_an_unused_variable_that_looks_like_a_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="no such key. Did you mean '(protocol|steps)'"):
        check_config(write(tmp_path, text))
