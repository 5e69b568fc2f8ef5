"""Learning the new classes: one mmengine run that can be interrupted."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from mmciss.datasets.seeding import seeded
from mmciss.engine.export import RECORD, export_step, finish_step, plain_config
from mmciss.engine.make_runner import close_runner, make_runner
from mmciss.engine.plain_config import without_mmciss
from mmciss.engine.rehearsal import rehearse_step
from mmciss.engine.runner.launch import prepare_config
from mmciss.engine.runner.run_folder import RunFolder, checksums
from mmciss.engine.step_config import StepFiles
from mmciss.errors import ConfigError
from mmciss.extend.old_model import OldModel
from mmciss.extend.pipelines import config_pipeline, default_test_pipeline, with_labels
from mmciss.extend.training_config import step_config
from mmciss.protocols.step import Step
from mmciss.utils.blame import build
from mmciss.utils.files import file_checksum, save_tensors, write_atomically, write_json


def open_folder(folder: RunFolder, identity: Mapping[str, Any], details: Mapping[str, Any], resume: bool) -> None:
    """Checks that a work directory is new, or holds this very extension.

    Raises:
        ConfigError: If it holds another one, or an unfinished one and ``resume`` is off.
    """
    started = folder.has_started()
    folder.claim(dict(identity), dict(details))
    if started and folder.result(1) is None and not resume:
        raise ConfigError(
            f'--work-dir: {folder.path} holds an unfinished extension. Add --resume to continue it, or '
            f'choose another --work-dir.'
        )


def plain_test_pipeline(cfg: Config) -> list[dict]:
    """Returns the model's test pipeline for plain MMSegmentation."""
    return with_labels(without_mmciss(config_pipeline(cfg, 'test') or default_test_pipeline()))


def adopt(folder: RunFolder, old: OldModel, palette: tuple) -> StepFiles:
    """Makes the user's model the first step: its weights and a plain config, beside a result."""
    path = folder.step(0)
    if folder.result(0) is None:
        meta = {'classes': list(old.names), 'palette': [list(colour) for colour in palette[: old.num_classes]]}
        save_tensors(path / 'model.pth', {'state_dict': old.weights, 'meta': {'dataset_meta': meta}})
        write_config(plain_model_config(old, old.num_classes, meta), path / 'model_config.py')
        write_json(
            path / 'result.json',
            {
                'step': 0,
                'model': 'model.pth',
                'sha256': file_checksum(path / 'model.pth'),
                'classes': list(old.names),
                'background': old.background,
                'sizes': [old.num_classes],
                'adopted_from': old.checkpoint,
            },
        )
    return StepFiles(str(path / 'model.pth'))


def plain_model_config(old: OldModel, num_classes: int, meta: dict) -> Config:
    """Returns the config with which plain MMSegmentation runs the model with a number of classes."""
    cfg = plain_config(export_source(old.cfg), num_classes, meta)
    imports = old.cfg.get('custom_imports')
    if imports and 'mmciss' not in str(imports.get('imports')):
        cfg.custom_imports = imports
    return cfg


def export_source(cfg: Config) -> Config:
    """Returns what :func:`mmciss.engine.export.plain_config` reads: the model and a plain test pipeline."""
    source = dict(model=cfg.model.to_dict(), test_dataloader=dict(dataset=dict(pipeline=plain_test_pipeline(cfg))))
    if cfg.get('data_preprocessor'):
        source['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    return Config(source)


def write_config(cfg: Config, path: Any) -> None:
    """Writes a config as Python, atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(cfg.pretty_text, encoding='utf-8'))


def check_training(cfg: Config, step: Step, palette: tuple) -> None:
    """Builds what :func:`learn` will need, before anything is written.

    Args:
        cfg: The training config.
        step: Old and new classes.
        palette: Colours of all classes.

    Raises:
        ConfigError: Naming the config key of what does not work.
    """
    config = step_config(prepare_config(cfg), step, StepFiles('model.pth'), 'manifest.json', palette)
    build(DATASETS, {**copy.deepcopy(config.train_dataloader.dataset), 'lazy_init': True}, 'train_dataloader.dataset')
    with seeded(0, 0):
        rehearse_step(cfg, config, step, [step], [int(cfg.train_cfg.max_iters)])


def learn(
    folder: RunFolder, old: OldModel, cfg: Config, step: Step, previous: StepFiles, manifest: str, palette: tuple
) -> dict[str, Any]:
    """Learns the new classes, unless that is done, and returns the step's result.

    Args:
        folder: The work directory, held by this process.
        old: The model.
        cfg: The training config.
        step: Old and new classes.
        previous: The adopted model.
        manifest: The training images.
        palette: Colours of all classes.
    """
    done = folder.result(1)
    if done is not None:
        return done
    folder.reopen(1, warn)
    start = time.perf_counter()
    config = step_config(prepare_config(cfg), step, previous, manifest, palette)
    checkpoint = folder.usable_checkpoint(1, warn)
    config.resume, config.load_from = checkpoint is not None, checkpoint and str(checkpoint)
    runner = make_runner(config, 'the training')
    path = folder.step(1)
    try:
        runner.train()
        export_step(runner, export_source(old.cfg), path, finish_step(runner))
        model = runner.model
        plain = model.decision is None or bool(model.decision.plain)
    finally:
        close_runner(runner)
    if not (cfg.get('keep_training_checkpoints') or False):
        for item in folder.checkpoints(1):
            item.unlink()
        (path / 'last_checkpoint').unlink(missing_ok=True)
    result = {
        'step': 1,
        'model': 'model.pth',
        'sha256': file_checksum(path / 'model.pth'),
        'files': checksums(path),
        'previous': folder.files(0),
        'classes': list(step.names),
        'background': step.background,
        'sizes': list(step.sizes),
        'iterations': int(cfg.train_cfg.max_iters),
        'seconds': round(time.perf_counter() - start, 3),
        'plain': plain,
    }
    write_json(path / 'result.json', result)
    return result


def warn(text: str) -> None:
    """Logs a warning."""
    print_log(text, 'current', logging.WARNING)


def final_config(old: OldModel, step: Step, cfg: Config, palette: tuple, dataset: dict | None) -> Config:
    """Returns the extended model's config: plain, with what the next extension wants to know.

    Args:
        old: The model.
        step: Old and new classes.
        cfg: The training config.
        palette: Colours of all classes.
        dataset: A data set of MMSegmentation to test on, or None.
    """
    meta = {'classes': list(step.names), 'palette': [list(colour) for colour in palette]}
    out = plain_model_config(old, step.num_seen, meta)
    if dataset is not None:
        out.test_dataloader.dataset = ConfigDict(**dataset, metainfo=meta, pipeline=out.test_pipeline)
    out.train_pipeline = cfg.train_dataloader.dataset.pipeline
    wrapper = old.cfg.get('optim_wrapper') or (old.cfg.get(RECORD) or {}).get('optim_wrapper')
    out[RECORD] = ConfigDict(optim_wrapper=wrapper, batch_size=int(cfg.train_dataloader.batch_size))
    return out
