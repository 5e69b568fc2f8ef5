"""Checkpoints written by others: by MMSegmentation's own training, and in the structures that packages publish."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.apis import test as api
from mmciss.apis.extend import main as extend_main
from mmciss.apis.train import train
from mmciss.errors import ConfigError
from mmciss.extend.old_model import read_old_model
from mmciss.utils.checkpoints import read_checkpoint, read_plain_checkpoint
from tests.extend.samples import write_images
from tests.interruption import resumed_at
from tests.paths import ROOT
from tests.smoke import SMOKE, smoke_config

TOOL = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'train.py'
PLAIN = """
import runpy, sys
sys.modules['mmciss'] = None  # plain MMSegmentation cannot import it
tool, config, *runs = sys.argv[1:]
for run in runs:
    folder, _, options = run.partition(' ')
    sys.argv = [tool, config, '--work-dir', folder, '--cfg-options', 'experiment_name=' + folder.rpartition('/')[2],
                *options.split()]
    runpy.run_path(tool, run_name='__main__')
"""
ADAMW = (
    'optim_wrapper.optimizer._delete_=True optim_wrapper.optimizer.type=AdamW '
    'optim_wrapper.optimizer.lr=0.0001 custom_hooks.0.type=EMAHook'
)
CLASSES = [f'class {index}' for index in range(16)]


def plain_config(model_config: Path, data: Path) -> Config:
    """Returns a plain training config for an exported model: three validations, a checkpoint every two iterations."""
    cfg = Config.fromfile(model_config)
    images, masks = write_images(data, count=4, side=48)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    dataset = dict(
        type='BaseSegDataset',
        data_prefix=dict(img_path=str(images), seg_map_path=str(masks)),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=pipeline,
        metainfo=dict(classes=CLASSES, palette=[[index, 0, 0] for index in range(16)]),
    )
    loader = dict(batch_size=2, num_workers=0, dataset=dataset, sampler=dict(type='DefaultSampler', shuffle=False))
    return Config(
        dict(
            default_scope='mmseg',
            model=cfg.model,
            val_dataloader=loader,
            test_dataloader=loader,
            train_dataloader={**loader, 'sampler': dict(type='InfiniteSampler')},
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
            param_scheduler=[dict(type='PolyLR', end=4, by_epoch=False)],
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=2),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            val_evaluator=dict(type='IoUMetric'),
            test_evaluator=dict(type='IoUMetric'),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, save_best='mIoU')),
            custom_hooks=[dict(type='IterTimerHook')],
            log_processor=dict(by_epoch=False),
        )
    )


@pytest.fixture(scope='module')
def trained(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plain config and what MMSegmentation's ``tools/train.py`` wrote for it: ``sgd``, ``adamw``."""
    if not TOOL.is_file():
        pytest.skip(f'MMSegmentation was installed without its tools ({TOOL})')
    folder = tmp_path_factory.mktemp('plain')
    plain_config(finished_run / 'step_0' / 'model_config.py', folder / 'data').dump(folder / 'config.py')
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    process = subprocess.run(
        [sys.executable, '-c', PLAIN, str(TOOL), str(folder / 'config.py'), f'{folder}/sgd', f'{folder}/adamw {ADAMW}'],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return folder


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob('*/*.pth'))


def test_every_file_of_a_plain_training_is_read(trained: Path) -> None:
    """SGD with momentum, AdamW with an average of the weights, the last and the best."""
    files = files_of(trained)
    assert {path.parent.name for path in files if path.name.startswith('best_mIoU')} == {'sgd', 'adamw'}
    assert len(files) >= 6
    for path in files:
        found = read_checkpoint(path)
        assert found['message_hub']['log_scalars']['train/loss'].mean() > 0
        assert 'ema_state_dict' in found if path.parent.name == 'adamw' else 'ema_state_dict' not in found
        old = read_old_model(trained / 'config.py', path)
        assert old.names == tuple(CLASSES) and old.named_by == 'the checkpoint'
        truth = torch.load(path, map_location='cpu', weights_only=False)['state_dict']
        assert all(torch.equal(old.weights[name], truth[name]) for name in truth)


def test_a_file_of_mixed_precision_is_read(trained: Path, tmp_path: Path) -> None:
    """``AmpOptimWrapper`` wants a GPU; it adds the state of its scaler to that of the optimizer."""
    content = torch.load(trained / 'sgd' / 'iter_4.pth', map_location='cpu', weights_only=False)
    content['optimizer']['loss_scaler'] = torch.amp.GradScaler('cpu', init_scale=512.0).state_dict()
    torch.save(content, tmp_path / 'amp.pth')
    assert read_checkpoint(tmp_path / 'amp.pth')['optimizer']['loss_scaler']['scale'] == 512


def published(weights: dict[str, torch.Tensor], kind: str) -> tuple[dict[str, Any], bool]:
    """Returns a checkpoint as a package publishes it, and whether it is in torch's present format."""
    weights = OrderedDict(weights)
    backbone = OrderedDict((name, value) for name, value in weights.items() if name.startswith('backbone.'))
    plain = OrderedDict((name.removeprefix('backbone.'), value) for name, value in backbone.items())
    palette = np.arange(48, dtype=np.uint8).reshape(16, 3)
    return {
        'mmseg 0.x': (
            {
                'meta': dict(
                    env_info='sys.platform: linux',
                    seed=0,
                    exp_name='fcn.py',
                    mmseg_version='0.30.0+4ab528c',
                    config='model = dict()',
                    CLASSES=tuple(CLASSES),
                    PALETTE=palette,
                    time='Sat Jul 1 00:00:00 2023',
                    epoch=1,
                    iter=80000,
                    hook_msgs=dict(best_score=np.float64(0.7), best_ckpt='work/best.pth'),
                ),
                'state_dict': weights,
                'optimizer': torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1, 0.9).state_dict(),
            },
            False,
        ),
        'mmseg 0.x, EMA': (
            {
                'meta': dict(CLASSES=CLASSES, PALETTE=palette.tolist()),
                'state_dict': OrderedDict(
                    [
                        *weights.items(),
                        *((f'ema_{name.replace(".", "_")}', value + 1) for name, value in weights.items()),
                    ]
                ),
            },
            True,
        ),
        'mmseg 1.x': (
            {
                'meta': dict(
                    dataset_meta=dict(classes=CLASSES, palette=palette), mmengine_version='0.10.7', seed=np.int64(3)
                ),
                'state_dict': weights,
            },
            True,
        ),
        'DDP': ({'state_dict': OrderedDict((f'module.{name}', value) for name, value in weights.items())}, True),
        'torchvision reference': (
            {'model': weights, 'epoch': 3, 'args': argparse.Namespace(lr=0.1, output=Path('.'))},
            True,
        ),
        'mmpretrain': (
            {
                'meta': dict(mmpretrain_version='1.2.0', CLASSES=None),
                'state_dict': OrderedDict([*backbone.items(), ('head.fc.weight', torch.ones(2, 3))]),
            },
            True,
        ),
        'torchvision': (plain, False),
    }[kind]


WHOLE = ('mmseg 0.x', 'mmseg 0.x, EMA', 'mmseg 1.x', 'DDP', 'torchvision reference')


@pytest.mark.parametrize('kind', WHOLE)
def test_published_models_are_read(kind: str, finished_run: Path, tmp_path: Path) -> None:
    model = finished_run / 'step_0'
    weights = read_plain_checkpoint(model / 'model.pth')
    content, new = published(weights, kind)
    torch.save(content, tmp_path / 'x.pth', _use_new_zipfile_serialization=new)
    old = read_old_model(model / 'model_config.py', tmp_path / 'x.pth')
    assert all(torch.equal(old.weights[name], weights[name]) for name in weights)
    if kind.startswith('mmseg'):
        assert old.names == tuple(CLASSES) and old.palette[1] == (3, 4, 5) and old.named_by == 'the checkpoint'


@pytest.mark.parametrize('kind', ['mmpretrain', 'torchvision', 'mmseg 0.x'])
def test_published_backbones_start_a_model(kind: str, finished_run: Path, tmp_path: Path) -> None:
    """``init_cfg=dict(type='Pretrained')``, which mmengine reads."""
    weights = read_plain_checkpoint(finished_run / 'step_0' / 'model.pth')
    content, new = published(weights, kind)
    torch.save(content, tmp_path / 'x.pth', _use_new_zipfile_serialization=new)
    cfg = Config.fromfile(finished_run / 'step_0' / 'model_config.py').model.backbone
    prefix = {} if kind == 'torchvision' else dict(prefix='backbone.')
    backbone = MODELS.build({**cfg, 'init_cfg': dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'), **prefix)})
    backbone.init_weights()
    assert all(torch.equal(value, weights[f'backbone.{name}']) for name, value in backbone.state_dict().items())


def test_a_model_in_training_is_extended_on_the_command_line(trained: Path, tmp_path: Path) -> None:
    images, masks = write_images(tmp_path / 'new', count=4, side=48)
    status = extend_main(
        [
            str(trained / 'config.py'),
            str(trained / 'adamw' / 'iter_2.pth'),
            '--images',
            str(images),
            '--masks',
            str(masks),
            '--classes',
            'fork',
            'pallet',
            '--work-dir',
            str(tmp_path / 'run'),
            '--iters',
            '1',
            '--batch-size',
            '2',
            '--crop-size',
            '16',
        ]
    )
    assert status == 0
    meta = read_checkpoint(tmp_path / 'run' / 'model.pth')['meta']['dataset_meta']
    assert meta['classes'] == [*CLASSES, 'fork', 'pallet']


def test_a_base_step_starts_from_a_model_in_training(trained: Path, tmp_path: Path) -> None:
    """``load_from``; the checkpoints of the step itself can be tested like any model."""
    path = trained / 'sgd' / 'iter_4.pth'
    cfg = smoke_config(
        tmp_path / 'run',
        run_steps=[0],
        load_from=str(path),
        steps__base__iters=2,
        steps__base__lr=1e-12,
        keep_training_checkpoints=True,
    )
    train(cfg)
    found, known = read_plain_checkpoint(tmp_path / 'run' / 'step_0' / 'model.pth'), read_plain_checkpoint(path)
    for name, value in known.items():
        if not name.endswith(('running_mean', 'running_var', 'num_batches_tracked')):
            torch.testing.assert_close(
                found[name], value, rtol=1e-6, atol=1e-8, msg=name
            )  # trained with a learning rate of 1e-12
    assert resumed_at(tmp_path / 'run' / 'step_0') == [], 'starting from weights is not resuming'
    own = tmp_path / 'run' / 'step_0' / 'iter_2.pth'
    assert 'mIoU' in api.test_step(smoke_config(tmp_path / 'test'), 0, own)
    assert api.main([str(ROOT / SMOKE), str(path), '--step', '0', '--work-dir', str(tmp_path / 'theirs')]) == 0


def test_a_malicious_start_is_refused_and_not_run(finished_run: Path, tmp_path: Path) -> None:
    weights = read_plain_checkpoint(finished_run / 'step_0' / 'model.pth')
    torch.save({'state_dict': weights, 'meta': Touch(tmp_path / 'MARK')}, tmp_path / 'evil.pth')
    with pytest.raises(ConfigError, match='names .*touch, which could run code'):
        train(smoke_config(tmp_path / 'run', run_steps=[0], load_from=str(tmp_path / 'evil.pth')))
    cfg = smoke_config(tmp_path / 'other', run_steps=[0])
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'evil.pth'), prefix='backbone.')
    with pytest.raises(ConfigError, match='names .*touch, which could run code'):
        train(cfg)
    assert not (tmp_path / 'MARK').exists()


def touch(path: Path) -> None:
    """Stands in for any code."""
    path.touch()


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return touch, (str(self.path),)
