"""Types that do not exist, and arguments that they do not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from mmengine.hooks import EMAHook, IterTimerHook
from torch import nn

import mmciss.register_all
from mmciss.engine.checks.components import (
    check_averages,
    check_components,
    check_pretrained,
    check_priority,
    check_save_best,
)
from mmciss.errors import ConfigError


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (dict(default_scope='mmsegg'), "default_scope: there is no package or registry 'mmsegg'. Did you mean 'mmseg'"),
        (dict(runner_type='IncrementalRuner'), "runner_type: .*Did you mean 'IncrementalRunner'"),
        (dict(model_wrapper_cfg=dict(type='DDP')), "model_wrapper_cfg.type: nothing is called 'DDP'"),
        (dict(param_scheduler=dict(type='PolyLR', powr=1)), r"param_scheduler\[0\].powr: .*Did you mean 'power'"),
        (dict(param_scheduler=[dict(type='PolyLRR')]), r"param_scheduler\[0\].type: .*Did you mean 'PolyLR'"),
        (
            dict(val_dataloader=dict(sampler=dict(type='DefaltSampler'))),
            "val_dataloader.sampler.type: .*'DefaultSampler'",
        ),
        (dict(train_dataloader=dict(sampler=dict(shufle=True))), "train_dataloader.sampler.shufle: .*'shuffle'"),
        (
            dict(train_dataloader=dict(collate_fn=dict(type='colate'))),
            'train_dataloader.collate_fn.type: nothing is called',
        ),
        (dict(train_dataloader=dict(batch_sampler=dict(type='Nope'))), 'train_dataloader.batch_sampler.type: nothing'),
        (dict(val_cfg=dict(fp61=True)), "val_cfg.fp61: unknown key.*'fp16'"),
    ],
)
def test_refused(cfg: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_components(cfg)


def test_a_backend_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmciss.engine.checks import components

    cfg = dict(visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='WandbVisBackend')]))
    monkeypatch.setattr(components, 'find_spec', lambda name: None)
    with pytest.raises(ConfigError, match=r'vis_backends\[0\].type: WandbVisBackend needs the package wandb'):
        check_components({**cfg, 'default_scope': 'mmseg'})


def test_the_best_checkpoint_is_by_a_metric_that_exists() -> None:
    check_save_best(dict(default_hooks=dict(checkpoint=dict(save_best=['mIoU', 'auto']))))
    check_save_best({})
    with pytest.raises(ConfigError, match="save_best: no metric is called 'mIoUU'.*Did you mean 'mIoU'"):
        check_save_best(dict(default_hooks=dict(checkpoint=dict(save_best='mIoUU'))))


def test_weights_to_start_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'weights.pth'
    path.write_bytes(b'')
    addresses = []

    def download(url: str, *args: object, **kwargs: object) -> dict:
        addresses.append(url)
        if 'mobilenet' in url:
            raise URLError('Name or service not known')
        return {}

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', download)
    check_pretrained(
        dict(
            pretrained='open-mmlab://resnet50_v1c',
            backbone=dict(init_cfg=[dict(type='Pretrained', checkpoint=str(path)), dict(type='Kaiming')]),
        )
    )
    assert len(addresses) == 1 and addresses[0].endswith('.pth')
    message = 'model.pretrained: mmcls://mobilenet_v2: http.* cannot be downloaded .Name or service not known'
    with pytest.raises(ConfigError, match=message):
        check_pretrained(dict(pretrained='mmcls://mobilenet_v2'))
    with pytest.raises(ConfigError, match=r"model.pretrained: open-mmlab://resnt50: the model zoo has no 'resnt50'"):
        check_pretrained(dict(pretrained='open-mmlab://resnt50'))
    with pytest.raises(ConfigError, match='model.backbone.init_cfg.checkpoint: no file nowhere.pth'):
        check_pretrained(dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'))))
    with pytest.raises(ConfigError, match="model.neck.init_cfg: .*called 'Pretraind'. Did you mean 'Pretrained'"):
        check_pretrained(dict(neck=dict(init_cfg=[dict(type='Pretraind')])))


@pytest.mark.parametrize('priority', ['HIGH', 'very_low', 0, 49, 100])
def test_priorities_that_mmengine_reads(priority: Any) -> None:
    check_priority(dict(priority=priority), IterTimerHook(), 'custom_hooks[0]')
    check_priority({}, IterTimerHook(), 'custom_hooks[0]')


@pytest.mark.parametrize('priority', ['HIHG', 101, 1.5, None])
def test_priorities_that_mmengine_does_not_read(priority: Any) -> None:
    with pytest.raises(ConfigError, match=r'custom_hooks\[0\].priority: must be one of HIGHEST, .* found'):
        check_priority(dict(priority=priority), IterTimerHook(), 'custom_hooks[0]')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(momentm=0.1), "custom_hooks.*unexpected keyword argument 'momentm'"),
        (dict(momentum=7), 'custom_hooks.*momentum must be in range'),
        (
            dict(ema_type='ExponentialMovingAverag'),
            "custom_hooks.*nothing is called 'ExponentialMovingAverag'. Did you mean",
        ),
        (dict(begin_iter=5), 'begin_iter: 5, but a step of this run has only 4 iterations'),
    ],
)
def test_averages_that_cannot_be_built(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_averages([('custom_hooks[0]', EMAHook(**options))], nn.Linear(2, 2), [6, 4])


def test_averages_that_can_be_built() -> None:
    hooks = [('default_hooks.timer', IterTimerHook()), ('custom_hooks[0]', EMAHook(momentum=0.1, begin_iter=4))]
    check_averages(hooks, nn.Linear(2, 2), [6, 4])
