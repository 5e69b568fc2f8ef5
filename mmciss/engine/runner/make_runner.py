"""Builds and closes mmengine's runner of one step, to train it or to test its model."""

from __future__ import annotations

import copy
import gc
import inspect
import logging
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from mmciss.datasets.protocol_data import ProtocolData
from mmciss.engine.display import current_display, quiet
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.runner.experiment import Experiment
from mmciss.errors import ConfigError, first_line
from mmciss.models.previous import load_auxiliary, load_plain_checkpoint
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.step_context import StepState
from mmciss.utils.checkpoints import read_plain_checkpoint
from mmciss.utils.private_api import forget_instance, stop_workers


class StepRunner(Runner):
    """mmengine's runner, whose log goes to its file; the console gets what the display shows."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Builds the logger; only warnings are printed unless the display is verbose."""
        logger = super().build_logger(*args, **kwargs)
        display = current_display()
        if not display.verbose:
            quiet(logger, display.show)
        return logger

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Wraps the model; torch refuses one of which nothing learns (rows are solved for, on a frozen network)."""
        if any(parameter.requires_grad for parameter in model.parameters()):
            return super().wrap_model(model_wrapper_cfg, model)
        return revert_sync_batchnorm(model.to(get_device()))


def make_runner(cfg: Config, name: str, data: ProtocolData | None = None, **model_args: Any) -> Runner:
    """Builds mmengine's runner of a step.

    The runner keeps the plain config for logs and checkpoints, and gets objects that exist already instead of configs.

    Args:
        cfg: The plain config of the step.
        name: Name of the run, for messages.
        data: The data of the run; if None, data sets are built from the config.
        **model_args: Further arguments of the model that a config cannot hold.

    Raises:
        ConfigError: If the runner cannot be built from the config.
    """
    cfg = copy.deepcopy(cfg)
    known = inspect.signature(Runner).parameters
    arguments = {key: value for key, value in cfg.items() if key in known}
    arguments['model'] = {**cfg.model, **model_args}
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if data is not None and cfg.get(key) is not None:
            arguments[key] = {**cfg[key], 'dataset': data.build(cfg[key].dataset)}
    try:
        return StepRunner(**arguments, cfg=cfg)
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f'{name} cannot be set up: {type(error).__name__}: {first_line(error)}') from error


def close_runner(runner: Runner) -> None:
    """Stops data workers, closes log files and forgets mmengine's instances of the runner's name.

    Left to the garbage collector, each persistent data worker takes five seconds to stop, since its queue is gone
    first.
    """
    stop_workers(runner)
    runner.visualizer.close()
    name = runner.experiment_name
    logger = forget_instance(MMLogger, name)
    for handler in list(logger.handlers) if logger else []:
        if isinstance(handler, logging.FileHandler):
            handler.close()
    for kind in (MessageHub, DefaultScope):
        forget_instance(kind, name)
    for kind in {type(runner.visualizer), Visualizer}:
        forget_instance(kind, runner.visualizer.instance_name)
    gc.collect()


def make_test_runner(experiment: Experiment, index: int, checkpoint: str | Path, work_dir: str | Path) -> Runner:
    """Builds a runner with the test data and the model of a step.

    Args:
        experiment: The experiment.
        index: The step.
        checkpoint: ``step_k/model.pth``, or a training checkpoint of that step.
        work_dir: Where the log goes.

    Raises:
        ConfigError: If the checkpoint is not one of this step and model.
    """
    cfg = experiment.step_config(index, StepState(checkpoint) if index else None)
    cfg.work_dir = str(work_dir)
    progress = ConfigDict(type='ProgressHook', name=experiment.protocol.name, step=index, iterations=[])
    cfg.custom_hooks = [progress]
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg[key] = None
    cfg.model.update(losses=None, labeler=None, initializer=None)
    runner = make_runner(cfg, f'step {index}', experiment.datasets)
    try:
        model = unwrap(runner.model)
        load_plain_checkpoint(model.segmentor, checkpoint, key='checkpoint')
        load_decision_rows(model, Path(checkpoint))
    except BaseException:
        close_runner(runner)
        raise
    return runner


def load_decision_rows(model: IncrementalSegmentor, checkpoint: Path) -> None:
    """Loads the classifier rows that the method's decision reads and a plain checkpoint lacks.

    Args:
        model: The model, with the checkpoint loaded.
        checkpoint: The checkpoint; the rows are in ``state.pth`` next to it.

    Raises:
        ConfigError: If they are not there.
    """
    if model.decision is None or not model.decision.needs_auxiliary:
        return
    if any('.auxiliary.' in name for name in read_plain_checkpoint(checkpoint)):
        return
    state = checkpoint.with_name('state.pth')
    content = StepState(checkpoint, state).content
    load_auxiliary(model.segmentor, content)
    if not content.get('auxiliary'):
        raise ConfigError(
            f'checkpoint: {checkpoint} lacks the auxiliary channels that '
            f'{type(model.decision).__name__} (method.decision) reads, and they are not in {state}. '
            f'method.decision=None tests the plain argmax'
        )
