"""Students of one later step, ready to train, for the benchmarks of iterations."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

import mmciss.register_all
from mmciss.apis.overrides import use_method
from mmciss.engine.runner.schedule import StepPlan
from mmciss.engine.runner.step_config import make_step_config
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.models.classifiers.head_config import set_num_classes
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.step_context import StepState
from mmciss.models.teacher import build_teacher, trunk_is_frozen
from mmciss.protocols.protocol import Protocol
from mmciss.registry import STATISTICS
from mmciss.utils.configs import load_config
from mmciss.utils.files import save_tensors

Batch = tuple[Tensor, list[SegDataSample]]


def make_batch(size: int, crop: int, channels: int, device: str) -> Batch:
    """Draws a batch with blocks of labels, background or the newest class, as a later step has them."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, 3, crop, crop, generator=generator)
    labels = torch.randint(0, 3, (size, crop // 16 + 1, crop // 16 + 1), generator=generator) // 2 * (channels - 1)
    labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, :crop, :crop]
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo=dict(img_shape=(crop, crop), ori_shape=(crop, crop), pad_shape=(crop, crop)))
        sample.gt_sem_seg = PixelData(data=label[None].to(device))
        samples.append(sample)
    return inputs.to(device), samples


class Students:
    """Builds the students of methods at a step that adds one class, all from the same job.

    Args:
        config: File of the job whose model is used.
        classes: Number of foreground classes, the last of which is new.
        batch: What they will train on; passes over the data look at it too.
        device: Where they train.
        options: Settings of the job to override, such as ``method.losses.pod.layers``.
    """

    def __init__(self, config: str, classes: int, batch: Batch, device: str, options: dict | None = None) -> None:
        self.cfg: Config = load_config(config)
        self.options = options or {}
        self.protocol = Protocol.from_lists([list(range(1, classes)), [classes]], classes)
        self.batch = batch
        self.device = device
        self.folder = Path(tempfile.mkdtemp())

    def plain(self) -> torch.nn.Module:
        """Returns the model as plain MMSegmentation builds it."""
        config = copy.deepcopy(self.cfg.model)
        config.pop('data_preprocessor', None)
        set_num_classes(config, self.protocol[1].num_seen)
        return MODELS.build(config).to(self.device).train()

    def teacher(self) -> torch.nn.Module:
        """Returns a plain model of the previous step, for forward passes only."""
        config = copy.deepcopy(self.cfg.model)
        config.pop('data_preprocessor', None)
        set_num_classes(config, self.protocol[1].num_old)
        return MODELS.build(config).to(self.device).eval().requires_grad_(False)

    def student(self, method: str, share_trunk: bool = True) -> IncrementalSegmentor:
        """Returns a method's student at the second step, with its teacher and statistics.

        Args:
            method: Name of the method.
            share_trunk: Whether a frozen trunk serves as its own teacher.
        """
        folder = self.folder / method
        folder.mkdir(exist_ok=True)
        files = StepState(str(folder / 'model.pth'), str(folder / 'state.pth'))
        base, _ = self._build(method, 0, None)
        save_tensors(files.model, {'state_dict': base.plain_weights()})
        save_tensors(files.state, base.method_state())
        model, hooks = self._build(method, 1, files)
        passes = {
            name: STATISTICS.build(dict(item))
            for hook in hooks
            if hook.type == 'StatisticsHook'
            for name, item in hook.passes.items()
            if item is not None
        }
        if passes:
            inputs, samples = self.batch
            target = torch.stack([sample.gt_sem_seg.data for sample in samples]).squeeze(1)
            run_passes(passes, model.context, build_teacher(model, self.device), lambda: [(inputs, target)])
        model.init_weights()
        if model.needs_teacher:
            share = share_trunk and trunk_is_frozen(model)
            model.set_teacher(build_teacher(model, self.device, share_trunk=share))
        return model.train()

    def _build(self, method: str, index: int, files: StepState | None) -> tuple[IncrementalSegmentor, list]:
        own = copy.deepcopy(self.cfg)
        use_method(own, method)
        own.merge_from_dict(self.options)
        own.protocol = dict(name='benchmark')
        own.work_dir = str(self.folder / method)
        config = make_step_config(own, self.protocol[index], StepPlan(10), files)
        return MODELS.build(config.model).to(self.device), config.custom_hooks


def optimizer_step(model: torch.nn.Module, run: Callable[[], dict], amp: bool, device: str) -> Callable[[], None]:
    """Wraps a loss function into a full iteration: forward, backward, optimizer step."""
    optimizer = torch.optim.SGD(list(_learning(model)), lr=1e-4, momentum=0.9)

    def iteration() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=amp):
            losses = run()
        sum(value.mean() for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()

    return iteration


def _learning(model: torch.nn.Module) -> Iterator[Tensor]:
    return (parameter for parameter in model.parameters() if parameter.requires_grad)
