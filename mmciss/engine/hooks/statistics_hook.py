"""Passes over the step's data before training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor
from torch.utils.data import DataLoader

from mmciss.datasets.samplers.pass_sampler import PassSampler
from mmciss.datasets.seeding import seeded
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.statistics.data_pass import DataPass
from mmciss.engine.statistics.run_passes import run_passes
from mmciss.models.slots import check_needs
from mmciss.registry import STATISTICS
from mmciss.utils.files import load_tensors, save_tensors, value_checksum

FILE = 'statistics.pth'


@HOOKS.register_module()
class StatisticsHook(Hook):
    """Runs the teacher over the step's training images, before the student's weights are loaded.

    Passes of a method share the teacher's forward passes. What they find is reduced over all ranks
    and saved in the step's folder; a resumed step reads it from there. Initializers and labelers
    find it in ``model.statistics``.

    Args:
        passes: Configs of :class:`mmciss.engine.statistics.data_pass.DataPass` by name; a pass set
            to None is left out.
    """

    priority = 'HIGH'

    def __init__(self, passes: dict[str, dict]) -> None:
        configs = {name: dict(config) for name, config in passes.items() if config is not None}
        self.key = value_checksum(configs)
        self.passes: dict[str, DataPass] = {name: STATISTICS.build(config) for name, config in configs.items()}

    def before_run(self, runner: Runner) -> None:
        """Makes the passes, or reads what they found before the interruption.

        Raises:
            ConfigError: If a pass needs what the model does not have.
        """
        model = unwrap(runner.model)
        passes = {name: item for name, item in self.passes.items() if item.applies(model.step)}
        if model.previous is None or model.statistics or not passes:
            return
        for name, item in passes.items():
            check_needs(model.segmentor, item, f'method.statistics.{name}')
        path = Path(runner.work_dir) / FILE
        found = self._read(path)
        if found is None:
            # Whether a pass was made must not show in any random number drawn after it.
            with seeded(int(runner.seed or 0), 0):
                found = self._run(runner, model, passes)
            if is_main_process():
                save_tensors(path, {'key': self.key, 'statistics': found})
            barrier()
        model.statistics.update(found)
        if not model.needs_teacher:
            model.set_teacher(None)

    def _read(self, path: Path) -> dict[str, Any] | None:
        found = [None]
        if is_main_process() and path.is_file():
            try:
                content = load_tensors(path)
                found = [content['statistics'] if content['key'] == self.key else None]
            except (ValueError, KeyError, TypeError) as error:
                print_log(
                    f'{path} cannot be used ({error}); its passes over the data are made again.',
                    'current',
                    logging.WARNING,
                )
        # One rank decides for all: those that ran the passes would wait for those that did not.
        broadcast_object_list(found)
        return found[0]

    @staticmethod
    def _run(runner: Runner, model: Any, passes: dict[str, DataPass]) -> dict[str, Any]:
        loader = pass_loader(runner)
        model.teacher.to(next(model.parameters()).device)
        runner.logger.info(f'Looking at {len(loader.dataset)} images before training: {", ".join(passes)}.')

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for batch in loader:
                data = model.data_preprocessor(batch, True)
                target = torch.stack([sample.gt_sem_seg.data for sample in data['data_samples']]).squeeze(1)
                yield data['inputs'], target.to(data['inputs'].device)

        return run_passes(passes, model.step, model.teacher, batches)


def pass_loader(runner: Runner) -> DataLoader:
    """Returns a loader of the step's training images: each once, with training augmentation."""
    loader = runner.train_dataloader
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        num_workers=loader.num_workers,
        sampler=PassSampler(loader.dataset, int(runner.seed or 0)),
        collate_fn=loader.collate_fn,
    )
