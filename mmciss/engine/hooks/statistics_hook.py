"""Passes over the step's data, before, halfway through and after training."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, broadcast, broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor
from torch.utils.data import DataLoader

from mmciss.datasets.samplers import PassSampler
from mmciss.datasets.seeding import seeded
from mmciss.engine.display import current_display
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.statistics.data_pass import DataPass, run_passes
from mmciss.models.slots import check_needs
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher, build_teacher
from mmciss.registry import STATISTICS
from mmciss.utils.files import load_tensors, save_tensors, value_checksum

FILE = 'statistics.pth'


@HOOKS.register_module()
class StatisticsHook(Hook):
    """Runs the passes over the step's training images, before, halfway through and after training.

    Passes at the same time share the model's forward passes. Their results are reduced over all ranks and added to
    ``context.statistics``. Those from before training are saved in the step's folder for a resumed step; those from
    after training are part of the step's state, see :mod:`mmciss.engine.runner.export`; those from halfway are there
    while slots read them.

    Args:
        passes: Configs of :class:`mmciss.engine.statistics.data_pass.DataPass` by name; a pass set to None is left out.
    """

    priority = 'HIGH'

    def __init__(self, passes: dict[str, dict[str, Any]]) -> None:
        configs = {name: dict(config) for name, config in passes.items() if config is not None}
        self.key = value_checksum(configs)
        self.passes: dict[str, DataPass] = {name: STATISTICS.build(config) for name, config in configs.items()}

    def passes_of(self, model: Any, when: str) -> dict[str, DataPass]:
        """Returns the passes that a model's step runs at a moment, one of ``MOMENTS``.

        Raises:
            ConfigError: If the model lacks what one of them needs.
        """
        found = {name: item for name, item in self.passes.items() if item.when == when and item.applies(model.step)}
        for name, item in found.items():
            check_needs(model.segmentor, item, f'method.statistics.{name}', model.shared)
        return found

    def before_run(self, runner: Runner) -> None:
        """Runs the passes before training, or reads their results after an interruption."""
        model = unwrap(runner.model)
        context: StepContext = model.context
        if model.previous is None or context.statistics:
            return
        passes = self.passes_of(model, 'before')
        if not passes:
            return
        path = Path(runner.work_dir) / FILE
        found = self._read(path)
        if found is None:
            found = self._run(runner, context, passes, model.teacher)
            if is_main_process():
                save_tensors(path, {'key': self.key, 'statistics': found})
            barrier()
        context.statistics.update(found)
        if not model.needs_teacher:
            model.set_teacher(None)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Runs the passes halfway through training, with a copy of the model, and lets the slots read the results."""
        if runner.iter != runner.max_iters // 2 or all(item.when != 'halfway' for item in self.passes.values()):
            return
        model = unwrap(runner.model)
        passes = self.passes_of(model, 'halfway')
        if not passes:
            return
        found = self._run_trained(runner, model, passes, copy.deepcopy(model.segmentor))
        for slot in model.slots().values():
            slot.halfway(model.context)
        for name in found:
            del model.context.statistics[name]

    def finish(self, runner: Runner) -> dict[str, Any]:
        """Runs the passes after training, on every rank, with the weights of the first.

        Returns:
            Their results, which are also in ``context.statistics``.
        """
        model = unwrap(runner.model)
        passes = self.passes_of(model, 'after')
        return self._run_trained(runner, model, passes, model.segmentor) if passes else {}

    def _run_trained(self, runner: Runner, model: Any, passes: dict[str, DataPass], segmentor: Any) -> dict[str, Any]:
        for tensor in segmentor.state_dict().values():  # ranks have different running statistics
            broadcast(tensor)
        teacher = model.teacher
        if teacher is None and model.previous is not None and any('teacher' in item.needs for item in passes.values()):
            model.set_teacher(build_teacher(model, next(model.parameters()).device))
        try:
            return self._run(runner, model.context, passes, Teacher(segmentor, 'the trained model'))
        finally:
            model.set_teacher(teacher)

    def _read(self, path: Path) -> dict[str, Any] | None:
        found = [None]
        if is_main_process() and path.is_file():
            try:
                content = load_tensors(path)
                found = [content['statistics'] if content['key'] == self.key else None]
            except (ValueError, KeyError, TypeError) as error:
                print_log(
                    f'{path} cannot be used ({error}); the passes over the data run again.', 'current', logging.WARNING
                )
        # One rank decides for all, or those that run the passes would wait for the others forever.
        broadcast_object_list(found)
        return found[0]

    @staticmethod
    def _run(runner: Runner, context: StepContext, passes: dict[str, DataPass], model: Teacher) -> dict[str, Any]:
        loader = pass_loader(runner)
        images: Any = loader.dataset
        assert context.model is not None
        preprocessor = context.model.data_preprocessor
        model.to(next(context.model.parameters()).device)
        moment = next(iter(passes.values())).when
        moment = 'halfway through' if moment == 'halfway' else moment
        runner.logger.info(f'Looking at {len(images)} images {moment} training: {", ".join(passes)}.')

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for index, batch in enumerate(loader):
                current_display().look(f'looking at images {moment} training:', index + 1, len(loader))
                data = preprocessor(batch, True)
                target = torch.stack([sample.gt_sem_seg.data for sample in data['data_samples']]).squeeze(1)
                yield data['inputs'], target.to(data['inputs'].device)

        # A pass must not change the random numbers drawn after it.
        with seeded(int(runner.seed or 0), 0):
            return run_passes(passes, context, model, batches)


def pass_loader(runner: Runner) -> DataLoader[Any]:
    """Returns a loader of the step's training images: each once, with training augmentation."""
    loader = runner.train_dataloader
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        num_workers=loader.num_workers,
        sampler=PassSampler(loader.dataset, int(runner.seed or 0)),
        collate_fn=loader.collate_fn,
    )
