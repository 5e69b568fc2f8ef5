"""Builds the runner that tests the model of a finished step."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import ConfigDict
from mmengine.runner import Runner

from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.make_runner import close_runner, make_runner
from mmciss.errors import ConfigError
from mmciss.models.previous import load_auxiliary, load_plain_checkpoint
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.step_context import StepState
from mmciss.utils.checkpoints import read_plain_checkpoint


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
