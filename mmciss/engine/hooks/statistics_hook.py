"""One pass over the step's data before training."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.utils.data import DataLoader

from mmciss.datasets.samplers.pass_sampler import PassSampler
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.statistics.data_pass import DataPass
from mmciss.models.slots import check_needs
from mmciss.registry import STATISTICS
from mmciss.utils.files import load_tensors, save_tensors, value_checksum

FILE = 'statistics.pth'


@HOOKS.register_module()
class StatisticsHook(Hook):
    """Runs the teacher once over the step's training images, before the student's weights are initialised.

    All passes of a method share the teacher's one forward per batch. What they find is saved in the step's folder,
    reduced over all ranks; a resumed step reads it from there. Initializers and labelers find it in
    ``model.statistics``.

    Args:
        passes: Configs of :class:`mmciss.engine.statistics.data_pass.DataPass` by name.
    """

    priority = 'HIGH'

    def __init__(self, passes: dict[str, dict]) -> None:
        self.passes = {name: dict(config) for name, config in passes.items() if config is not None}
        self.key = value_checksum(self.passes)
        self.built: dict[str, DataPass] = {name: STATISTICS.build(config) for name, config in self.passes.items()}

    def before_run(self, runner: Runner) -> None:
        """Makes the passes, or reads what they found before the interruption."""
        model = unwrap(runner.model)
        if model.previous is None or model.statistics or runner.train_loop.iter:
            return
        path = Path(runner.work_dir) / FILE
        found = load_tensors(path) if path.is_file() else {}
        if found.get('key') != self.key:
            for name, data_pass in self.built.items():
                check_needs(model.segmentor, data_pass, f'method.statistics.{name}')
            found = {'key': self.key, 'statistics': self._run(runner, model)}
            if is_main_process():
                save_tensors(path, found)
            barrier()
        model.statistics.update(found['statistics'])

    @torch.no_grad()
    def _run(self, runner: Runner, model: Any) -> dict[str, Any]:
        loader = pass_loader(runner)
        teacher = model.teacher
        device = next(model.parameters()).device
        teacher.to(device)
        for data_pass in self.built.values():
            data_pass.begin(model.step, teacher)
        layers = sorted({name for data_pass in self.built.values() for name in data_pass.layers})
        runner.logger.info(f'One pass over {len(loader.dataset)} images before training: {", ".join(self.built)}.')
        for batch in loader:
            data = model.data_preprocessor(batch, True)
            target = torch.stack([sample.gt_sem_seg.data for sample in data['data_samples']]).squeeze(1)
            output = teacher(data['inputs'], layers)
            for data_pass in self.built.values():
                data_pass.update(data['inputs'], target.to(device), output)
        found: dict[str, Any] = {}
        for data_pass in self.built.values():
            for name, value in data_pass.finish().items():
                found[name] = value.cpu() if isinstance(value, torch.Tensor) else value
        return found


def pass_loader(runner: Runner) -> DataLoader:
    """Returns a loader over the step's training images: each once, with the training augmentation."""
    loader = runner.train_dataloader
    return DataLoader(loader.dataset, batch_size=loader.batch_size, num_workers=loader.num_workers,
                      sampler=PassSampler(loader.dataset, int(runner.seed or 0)), collate_fn=loader.collate_fn)
