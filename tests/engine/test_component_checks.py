"""Types that do not exist and arguments that nothing takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mmciss.register_all  # noqa: F401
from mmciss.engine.component_checks import check_best, check_components, check_pretrained
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


def test_a_backend_whose_package_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmciss.engine import component_checks

    cfg = dict(visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='WandbVisBackend')]))
    monkeypatch.setattr(component_checks, 'find_spec', lambda name: None)
    with pytest.raises(ConfigError, match=r'vis_backends\[0\].type: WandbVisBackend needs the package wandb'):
        check_components({**cfg, 'default_scope': 'mmseg'})


def test_the_best_checkpoint_is_by_a_metric_that_exists() -> None:
    check_best(dict(default_hooks=dict(checkpoint=dict(save_best=['mIoU', 'auto']))))
    check_best({})
    with pytest.raises(ConfigError, match="save_best: no metric is called 'mIoUU'.*Did you mean 'mIoU'"):
        check_best(dict(default_hooks=dict(checkpoint=dict(save_best='mIoUU'))))


def test_weights_to_start_from(tmp_path: Path) -> None:
    path = tmp_path / 'weights.pth'
    path.write_bytes(b'')
    check_pretrained(
        dict(
            pretrained='open-mmlab://resnet50',
            backbone=dict(init_cfg=[dict(type='Pretrained', checkpoint=str(path)), dict(type='Kaiming')]),
        )
    )
    with pytest.raises(ConfigError, match='model.backbone.init_cfg.checkpoint: no file nowhere.pth'):
        check_pretrained(dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'))))
    with pytest.raises(ConfigError, match="model.neck.init_cfg: .*called 'Pretraind'. Did you mean 'Pretrained'"):
        check_pretrained(dict(neck=dict(init_cfg=[dict(type='Pretraind')])))
