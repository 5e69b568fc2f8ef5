"""Runs a protocol: one ordinary mmengine run per step."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import barrier, is_main_process
from mmengine.logging import MMLogger, print_log
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

from mmciss.datasets.data_check import require_intact_data
from mmciss.engine.checks.components import check_pretrained
from mmciss.engine.checks.values import is_integer
from mmciss.engine.display import Display, learned_names, make_display, quiet, shown_on
from mmciss.engine.display.texts import conclusion, introduce, show_step
from mmciss.engine.runner.base_step import adopt_base_step, check_base_step
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.export import export_step, finish_step, step_result
from mmciss.engine.runner.launch import broadcast_object, check_work_dir, init_distributed, prepare_config
from mmciss.engine.runner.make_runner import close_runner, make_runner, make_test_runner
from mmciss.engine.runner.memory import memory_options, store_exemplars
from mmciss.engine.runner.rehearsal import rehearse
from mmciss.engine.runner.run_folder import NOT_FINISHED, RunFolder
from mmciss.engine.runner.samples import save_samples, shows_other_images
from mmciss.errors import ConfigError
from mmciss.evaluation.evaluator import other_results
from mmciss.evaluation.metrics.incremental_iou_metric import IncrementalIoUMetric
from mmciss.evaluation.scores import scalars
from mmciss.models.step_context import StepState
from mmciss.protocols.protocol import Protocol
from mmciss.utils.environment import drop_frozen_parameter_notes
from mmciss.utils.files import read_json, write_json

if TYPE_CHECKING:
    from mmciss.evaluation.report import Section


@RUNNERS.register_module()
class IncrementalRunner:
    """Learns all steps of a protocol, one after another, in one process.

    Every step is a plain :class:`mmengine.runner.Runner` with a fresh model, optimizer, schedule and hooks; all that is
    passed from one step to the next is in files. ``tools/train.py`` of MMSegmentation uses this class when the config
    says ``runner_type = 'IncrementalRunner'``.

    Args:
        cfg: The user's config: an MMSegmentation config with ``protocol``, ``method`` and ``steps``.
        experiment: What to run, if already resolved.
        display: What the console shows, if the config does not say, see :func:`mmciss.engine.display.make_display`.

    Raises:
        ConfigError: If the config cannot work, before any model is built.
    """

    _takes_model = False  # of a base step, from ``base_from``

    def __init__(self, cfg: Config, experiment: Experiment | None = None, display: str = 'auto') -> None:
        self.cfg = prepare_config(cfg)
        kind = self.cfg.pop('display', display)
        check_work_dir(self.cfg.work_dir)
        init_distributed(self.cfg)
        self.display = make_display(kind) if is_main_process() else Display()
        if not self.display.verbose:
            quiet(MMLogger.get_current_instance(), self.display.show, logging.INFO)
        self.folder = RunFolder(self.cfg.work_dir)
        # The first process reads the masks and writes a cache; the others wait for it.
        if not is_main_process():
            barrier()
        elif self.cfg.get('check_data'):
            print_log(f'{require_intact_data(self.cfg)}.', 'current')
        self.experiment = Experiment.from_cfg(self.cfg) if experiment is None else experiment
        memory_options(self.experiment)  # to fail before any model is built
        check_run_steps(self.cfg.get('run_steps'), self.experiment.protocol)
        if self._adopts():
            self._check_base()
        if is_main_process():
            steps = len(self.experiment.protocol)
            first = self.folder.first_open_step(steps)
            if first == 0 and not self._adopts():
                check_pretrained(self.cfg.model)
            if first < steps:
                self._rehearse()
            barrier()

    @classmethod
    def from_cfg(cls, cfg: Config) -> IncrementalRunner:
        """Builds the runner from a config; the entry point of the registry."""
        return cls(cfg)

    def train(self) -> list[dict[str, Any]]:
        """Learns every unfinished step and writes the report.

        Returns:
            The results of all finished steps.

        Raises:
            ConfigError: If the work directory belongs to another experiment, is in use, or holds an unfinished run
                and ``resume`` is off.
        """
        with shown_on(self.display):
            if not is_main_process():
                barrier()
                return self._train()
            with self.folder.lock():
                self._check_folder()
                barrier()
                return self._train()

    @cached_property
    def logger(self) -> MMLogger:
        """Logs what concerns the whole protocol, to the console and to ``run.log`` in the work directory."""
        logger = MMLogger.get_instance(
            f'mmciss {self.folder.path}',
            logger_name='mmciss',
            log_file=str(self.folder.path / 'run.log'),
            file_mode='a',
            log_level='INFO',
        )
        quiet(logger, self.display.show, logging.INFO)
        return logger

    def _check_folder(self) -> None:
        started = self.folder.has_started()
        self.folder.claim(self.experiment.identity(), self.experiment.details())
        steps = len(self.experiment.protocol)
        done = self.folder.first_open_step(steps)
        if started and done < steps and not self.cfg.get('resume'):
            fault = self.folder.fault(done)
            why = '' if fault == NOT_FINISHED else f'; step {done} does not count as done: {fault}'
            raise ConfigError(
                f'work_dir: {self.folder.path} holds an unfinished run ({done} of {steps} steps '
                f'done{why}). Add --resume to continue it, or choose another --work-dir.'
            )
        if self._adopts():
            self._adopt()

    def _adopts(self) -> bool:
        """Whether step 0 is taken from another run instead of being learned."""
        return bool(self.cfg.get('base_from')) and self.folder.result(0) is None

    def _check_base(self) -> None:
        self._takes_model = not check_base_step(self.cfg.base_from, self.experiment)

    def _adopt(self) -> None:
        if not self._takes_model:
            adopt_base_step(self.folder, self.cfg.base_from, self.experiment)

    def _experiment(self, index: int) -> Experiment:
        """Returns what a step is made from; a base step may have the model of another run from the start."""
        if index or not self._takes_model:
            return self.experiment
        return self.experiment.with_base_model(RunFolder(self.cfg.base_from).step(0) / 'model.pth')

    def _rehearse(self) -> None:
        rehearse(self.experiment)

    def _train(self) -> list[dict[str, Any]]:
        steps = len(self.experiment.protocol)
        first = self.folder.first_open_step(steps)
        if first == steps:
            self.logger.info(
                f'All {steps} steps of {self.experiment.protocol.name} are done in {self.folder.path}; '
                f'nothing to train.'
            )
        elif is_main_process():
            introduce(self.display, self._experiment(first), self.folder)
        if first < steps:
            self._retake_samples(first)
        chosen = self.cfg.get('run_steps') or range(steps)
        for index in range(first, steps):
            if (self.folder.result(index) or {}).get('previous'):
                continue  # an earlier step was trained again and left the same files
            if index not in chosen:
                self.logger.info(f'Step {index} is not among the steps to run now ({list(chosen)}); stopping here.')
                break
            if is_main_process():
                self.folder.reopen(index, self.logger.warning)
            barrier()
            self._run_step(index)
        results = [result for result in map(self.folder.result, range(steps)) if result is not None]
        if is_main_process():
            self._report()
        barrier()
        return results

    def _report(self, sections: Sequence[Section] = ()) -> None:
        from mmciss.evaluation.report import write_report  # it loads matplotlib

        path = write_report(self.folder.path, sections=sections)
        for line in conclusion(read_json(self.folder.path / 'report.json') or {}):
            self.logger.info(line)
        self.logger.info(
            f'The report is in {path.with_suffix(".html")} (and .md), the models are in {self.folder.path}/step_*.'
        )

    def _retake_samples(self, done: int) -> None:
        """Segments the sample images after the steps that are done, where these show others than later ones will."""
        for index in range(done if self.experiment.datasets is not None else 0):
            path = self.folder.step(index) / 'samples.npz'
            if not broadcast_object(is_main_process() and shows_other_images(path, self.experiment)):
                continue
            with tempfile.TemporaryDirectory() as folder:
                runner = make_test_runner(self.experiment, index, path.with_name('model.pth'), folder)
                if is_main_process():
                    save_samples(runner, self.experiment, path)
                close_runner(runner)

    def _previous(self, index: int) -> StepState | None:
        if index == 0:
            return None
        folder = self.folder.step(index - 1)
        memory = store_exemplars(self.folder, self.experiment, index - 1) if is_main_process() else None
        memory = broadcast_object(memory)
        return StepState(folder / 'model.pth', folder / 'state.pth', memory)

    def _step_config(self, index: int) -> Config:
        experiment = self._experiment(index)
        cfg = experiment.step_config(index, self._previous(index))
        if index and is_main_process():
            self.folder.begin(index, self.logger.warning)
        checkpoint = self.folder.usable_checkpoint(index, self.logger.warning) if is_main_process() else None
        checkpoint = broadcast_object(checkpoint)
        # mmengine resumes from load_from if it is set.
        cfg.resume = checkpoint is not None
        cfg.load_from = None if checkpoint is None else str(checkpoint)
        cfg.custom_hooks.append(
            ConfigDict(
                type='ProgressHook',
                name=self.experiment.protocol.name,
                step=index,
                iterations=[plan.iterations for plan in experiment.plans],
                learns=learned_names(self.experiment.protocol[index].new_names),
            )
        )
        return cfg

    def _run_step(self, index: int) -> None:
        start = time.perf_counter()
        cfg = self._step_config(index)
        context = self._experiment(index).context(index, cfg.model.previous)
        runner = make_runner(cfg, f'step {index}', self.experiment.datasets, context=context)
        drop_frozen_parameter_notes()
        try:
            runner.train()
            found = finish_step(runner)
            if is_main_process():
                self._export(index, runner, found)
            barrier()
            tested = self._test(index, runner)
            if is_main_process():
                result = step_result(runner, self.experiment, self.folder, index, time.perf_counter() - start) | tested
                if tested:
                    runner.visualizer.add_scalars(scalars(result), step=index)
                write_json(self.folder.step(index) / 'result.json', result)
                if not self.cfg.get('keep_training_checkpoints'):
                    self.folder.remove_checkpoints(index, runner.logger.info)
                show_step(self.display, self.folder, index)
            barrier()
        finally:
            close_runner(runner)

    def _export(self, index: int, runner: Runner, found: Mapping[str, Any]) -> None:
        export_step(runner, self.cfg, self.folder.step(index), found)

    def _test(self, index: int, runner: Runner) -> dict[str, Any]:
        """Tests a step and returns, on the first process, its part of the step's result."""
        found = runner.test()
        if not is_main_process():
            return {}
        save_samples(runner, self.experiment, self.folder.step(index) / 'samples.npz')
        ours = next(metric for metric in runner.test_evaluator.metrics if isinstance(metric, IncrementalIoUMetric))
        confusion = ours.confusion
        assert confusion is not None, 'the test has just run'
        dataset = runner.test_dataloader.dataset
        return {
            'confusion': confusion.tolist(),
            'palette': [list(map(int, color)) for color in dataset.metainfo['palette']],
            'num_images': len(dataset),
            'metrics': other_results(found),
        }


def check_run_steps(chosen: Any, protocol: Protocol) -> None:
    """Rejects steps that a protocol does not have.

    Raises:
        ConfigError: If ``chosen`` is not a list of its steps.
    """
    if chosen is None:
        return
    if (
        not isinstance(chosen, list | tuple)
        or not chosen
        or not all(is_integer(index, 0, len(protocol) - 1) for index in chosen)
    ):
        raise ConfigError(
            f'--steps (run_steps): {chosen!r} are not steps of {protocol.name}; allowed: 0 to {len(protocol) - 1}'
        )
