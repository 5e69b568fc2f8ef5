"""Taking a finished runner apart, so that the next one in the same process starts clean."""

from __future__ import annotations

import gc
import logging

from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmciss.utils.private_api import forget_instance, stop_workers


def close_runner(runner: Runner) -> None:
    """Stops data workers, closes log files and forgets mmengine's instances of the runner's name.

    Left to the garbage collector, every persistent data worker costs five seconds (its queue dies before it).
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
