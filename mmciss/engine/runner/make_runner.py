"""Builds and closes mmengine's runner of one step."""

from __future__ import annotations

import copy
import gc
import inspect
import logging
from typing import Any

from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmciss.datasets.protocol_data import ProtocolData
from mmciss.engine.display import current_display, quiet
from mmciss.errors import ConfigError, first_line
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
