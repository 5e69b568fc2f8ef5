"""The training config of an extension: as a user would write it, except for the data set."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from mmciss.engine.checks.config import check_dictionaries, check_model, check_settings
from mmciss.engine.checks.keys import apply_cfg_options
from mmciss.engine.model_config import drop_class_weights
from mmciss.errors import ConfigError
from mmciss.extend.old_model import OldModel
from mmciss.extend.pipelines import default_train_pipeline, with_crop
from mmciss.extend.settings import Setting
from mmciss.models.classifiers.head_config import heads_of
from mmciss.protocols.step import Step
from mmciss.utils.configs import configs_folder

DEFAULT_FREEZE = dict(norm='eval', dropout='eval')
"""For what a method does not say itself.

Batch norms keep the statistics of the old data, of which there is more, and the model is compared with its teacher
without the noise of dropout.
"""

NOT_READ = {
    'protocol': '--classes',
    'steps': '--iters and --lr',
    'run_steps': '',
    'base_from': '',
    'check_data': '',
    'runner_type': '',
    'work_dir': '--work-dir',
    'load_from': 'CHECKPOINT',
    'resume': '--resume',
    'launcher': '',
}
"""Keys that a run reads and an extension does not, with the flag to use instead."""
DICTIONARIES = (
    *('model', 'train_dataloader', 'train_dataloader.dataset', 'optim_wrapper', 'optim_wrapper.optimizer'),
    *('train_cfg', 'method', 'default_hooks', 'env_cfg'),
)


def training_config(
    old: OldModel,
    step: Step,
    method: Mapping[str, Any],
    settings: Mapping[str, Setting],
    work_dir: str,
    seed: int,
    cfg_options: Mapping[str, Any] | None,
    sizes: Sequence[tuple[int, int]],
) -> Config:
    """Returns the training config with the derived settings and, last, the user's changes by dotted keys.

    ``sizes`` are heights and widths of the images in pixels, for models without a training pipeline.

    Raises:
        ConfigError: If a change cannot work; names the key.
    """
    check_read(cfg_options or {})
    crop, iters = settings['crop_size'].value, settings['iters'].value
    runtime = Config.fromfile(configs_folder() / '_base_' / 'default_runtime.py').to_dict()
    runtime['default_hooks'].pop('visualization')
    runtime['default_hooks']['checkpoint']['interval'] = max(1, min(500, iters // 4))
    pipeline = with_crop(old.train_pipeline or default_train_pipeline(min(crop), sizes), crop)
    set_keys = {key: value for key, value in method.items() if value is not None}
    own = dict(
        custom_imports=copy.deepcopy(old.cfg.get('custom_imports')),
        model=training_model(old.model, crop),
        train_dataloader=dict(
            batch_size=settings['batch_size'].value,
            num_workers=0,
            persistent_workers=False,
            sampler=dict(type='InfiniteSampler', shuffle=True),
            dataset=dict(type='PairDataset', classes=list(step.names), pipeline=pipeline),
        ),
        optim_wrapper=settings['optimizer'].value,
        param_scheduler=[dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=iters, by_epoch=False)],
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters, val_begin=10**9),
        method={**set_keys, 'freeze': {**DEFAULT_FREEZE, **(set_keys.get('freeze') or {})}},
        protocol={},
        steps={},
        randomness=dict(seed=seed),
        work_dir=work_dir,
        experiment_name='extend',
    )
    cfg = Config({**runtime, **own})
    apply_cfg_options(cfg, cfg_options)
    check_dictionaries(cfg, DICTIONARIES)
    check_model(cfg.model)
    check_settings(cfg)
    return cfg


def check_read(options: Mapping[str, Any]) -> None:
    """Rejects changes of keys that an extension does not read, and names the flag to use instead."""
    for key in options:
        first = key.split('.')[0]
        if first in NOT_READ or re.fullmatch('(val|test)_(dataloader|cfg|evaluator)', first):
            use = f'; use {NOT_READ[first]}' if NOT_READ.get(first) else ''
            raise ConfigError(f'--cfg-options {key}: an extension does not read {first!r}{use}')
        if re.fullmatch(r'model\.(.+\.)?num_classes', key):
            raise ConfigError(f'--cfg-options {key}: an extension counts the classes itself; use --classes')
        if key.startswith('method.memory'):
            raise ConfigError(
                f'--cfg-options {key}: an extension keeps no images; use --exemplar-images and --exemplar-masks'
            )


def check_solved_reads(options: Mapping[str, Any], whole_images: bool) -> None:
    """Rejects changes that do nothing where the rows of new classes are solved for in one pass over the images.

    Args:
        options: Changes by dotted keys.
        whole_images: Whether the pass sees images as a test does.
    """
    unread = dict.fromkeys(('optim_wrapper', 'param_scheduler', 'train_cfg'), 'trains nothing')
    if whole_images:
        sees = 'sees images whole, as a test does'
        unread |= dict.fromkeys(('train_dataloader.batch_size', 'train_dataloader.dataset.pipeline'), sees)
    for key in options:
        for prefix, reason in unread.items():
            if f'{key}.'.startswith(f'{prefix}.'):
                raise ConfigError(f'--cfg-options {key}: not read; a method that solves for new rows {reason}')


def training_model(model: ConfigDict, crop: tuple[int, int]) -> ConfigDict:
    """Fits the model's config to training with more classes and on crops, in place, and returns it.

    Lists of class weights, which have none for new classes, are dropped, unless they follow the number of classes;
    batches are padded to the crop size. An ``ignore_index`` of heads goes: what is ignored is 255 in the labels of
    every step, whatever the masks of the old data hold.
    """
    drop_class_weights(model)
    for _, head in heads_of(model):
        head.pop('ignore_index', None)
    preprocessor = model.get('data_preprocessor')
    if preprocessor:
        preprocessor['size'] = crop
        preprocessor.pop('size_divisor', None)
    return model
