"""The config of the step."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

import mmciss.register_all  # noqa: F401
from mmciss.engine.step_config import StepFiles
from mmciss.extend.new_classes import extension_step
from mmciss.extend.old_model import read_old_model
from mmciss.extend.settings import Wishes, derive
from mmciss.extend.training_config import drop_class_weights, step_config, training_config, training_model
from tests.extend.samples import OLD, write_model


def test_from_model_to_step(tmp_path: Path) -> None:
    old = read_old_model(*write_model(tmp_path))
    step = extension_step(OLD, ['fork'], background=True)
    settings = derive(old, 40, [(50, 60)], Wishes(iters=12, crop_size=16))
    method = dict(losses=dict(kd=dict(type='UnbiasedDistillationLoss')))
    cfg = training_config(
        old, step, method, settings, str(tmp_path / 'out'), seed=3, cfg_options={'method.freeze.norm': 'train'}
    )
    assert cfg.method['freeze'] == dict(norm='train', dropout='eval')
    out = step_config(cfg, step, StepFiles('model.pth'), 'train.json', ((0, 0, 0),) * 4)
    assert out.model.segmentor.decode_head.num_classes == out.model.segmentor.auxiliary_head.num_classes == 4
    assert out.model.previous.model == 'model.pth' and out.model.data_preprocessor['size'] == (16, 16)
    dataset = out.train_dataloader.dataset
    assert dataset.type == 'PairDataset' and dataset.manifest == 'train.json' and dataset.step_index == 1
    assert [item['type'] for item in dataset.pipeline] == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'RandomCrop',
        'RandomFlip',
        'PackSegInputs',
    ]
    assert 'reduce_zero_label' not in dataset.pipeline[1] and dataset.pipeline[2]['crop_size'] == (16, 16)
    assert out.train_dataloader.sampler.type == 'IncrementalInfiniteSampler' and out.train_dataloader.sampler.seed == 3
    assert out.optim_wrapper.optimizer.lr == settings['lr'].value and out.train_cfg.max_iters == 12
    assert out.param_scheduler[0]['end'] == 12
    assert {'TeacherHook', 'ProgressHook'} <= {hook['type'] for hook in out.custom_hooks}


def test_lists_of_class_weights_are_dropped() -> None:
    cfg = Config(
        dict(
            model=dict(
                type='EncoderDecoder',
                decode_head=dict(
                    type='FCNHead',
                    loss_decode=[dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0]), dict(type='DiceLoss')],
                ),
            )
        )
    )
    assert training_model(cfg, (8, 8)).decode_head.loss_decode[0] == dict(type='CrossEntropyLoss')
    assert drop_class_weights(cfg.model.to_dict()) == 1
    assert drop_class_weights(training_model(cfg, (8, 8)).to_dict()) == 0
    assert cfg.model.decode_head.loss_decode[0].class_weight == [1.0, 2.0], "the user's config stays as it is"
