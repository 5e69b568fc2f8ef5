"""One step of a protocol on a few tiny pictures, with hooks that record what it computes."""

from __future__ import annotations

import copy
import gc
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor

from mmciss.datasets.exemplars import Exemplar, Memory
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.make_runner import close_runner
from mmciss.models.step_context import StepState
from mmciss.utils.files import save_tensors
from tests.smoke import smoke_config

gc.freeze()
"""mmengine collects garbage whenever it builds a data set; going through all imported modules would take most of the
time of a test."""

CLASSES = ('background', 'a', 'b', 'c', 'd', 'e', 'f')
SIDE = 40


def write_pictures(folder: Path, masks: Sequence[np.ndarray]) -> Path:
    """Writes masks and, for each, a picture that depends on its index alone."""
    for part in ('images', 'masks'):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for index, mask in enumerate(masks):
        picture = np.random.RandomState(index).randint(0, 256, (*mask.shape, 3)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f'images/p{index}.png', compress_level=1)
        Image.fromarray(mask.astype(np.uint8)).save(folder / f'masks/p{index}.png', compress_level=1)
    (folder / 'list.txt').write_text(''.join(f'p{index}\n' for index in range(len(masks))))
    return folder


def block_masks(seed: int, count: int, blocks: int = 4) -> list[np.ndarray]:
    """Draws masks whose blocks show any class, the background, or nothing (255)."""
    rng = np.random.RandomState(seed)
    labels = np.array([*range(len(CLASSES)), 255])
    found = []
    for _ in range(count):
        shown = rng.choice(labels, size=4, replace=False)
        found.append(np.kron(rng.choice(shown, size=(blocks, blocks)), np.ones((SIDE // blocks,) * 2, dtype=np.int64)))
    return found


def pictures_config(data: Path) -> dict[str, Any]:
    """Returns the config of a data set by :func:`write_pictures`."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        # This crop depends on the labels, so it would reveal hidden classes if it saw them.
        dict(type='RandomCrop', crop_size=(32, 32), cat_max_ratio=0.6),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    return dict(
        type='BaseSegDataset',
        data_root=str(data),
        ann_file='list.txt',
        img_suffix='.png',
        seg_map_suffix='.png',
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        pipeline=pipeline,
        serialize_data=False,  # serializing collects garbage each time, which takes most of a test's time
        metainfo=dict(classes=CLASSES, palette=[[index, 0, 0] for index in range(len(CLASSES))]),
    )


@cache
def method_config(method: str) -> Config:
    """Returns the smoke config with a method; reading it takes most of a second."""
    return smoke_config(Path('unused'), method)


def step_run_config(data: Path, work_dir: Path, method: str, **options: Any) -> Config:
    """Returns the smoke config with 2 + 2 + 2 classes on pictures by :func:`write_pictures`, one iteration per step."""
    cfg = copy.deepcopy(method_config(method))
    cfg.work_dir = str(work_dir)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset = pictures_config(data)
    cfg.protocol = dict(name='2-2')
    cfg.steps = dict(base=dict(iters=1, lr=0.01), later=dict(iters=1, lr=0.01))
    cfg.default_hooks = dict(logger=dict(type='LoggerHook', interval=100))
    cfg.visualizer.vis_backends = []
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg


def untrained_base(cfg: Config, folder: Path, exemplars: Sequence[int] = ()) -> StepState:
    """Writes what a base step leaves, with random weights, and a memory of some pictures."""
    torch.manual_seed(0)
    experiment = Experiment.from_cfg(cfg)
    model = MODELS.build(experiment.step_config(0, None).model)
    model.init_weights()
    save_tensors(folder / 'model.pth', {'state_dict': model.plain_weights()})
    save_tensors(folder / 'state.pth', model.method_state())
    root = cfg.train_dataloader.dataset.data_root
    kept = tuple(Exemplar(f'{root}/images/p{index}.png', 0, (1,)) for index in exemplars)
    Memory(0, kept, 'test').save(folder / 'memory.json')
    return StepState(str(folder / 'model.pth'), str(folder / 'state.pth'), str(folder / 'memory.json'))


def run_step(cfg: Config, previous: StepState, *hooks: Hook) -> None:
    """Trains step 1 with additional hooks."""
    step_config = Experiment.from_cfg(cfg).step_config(1, previous)
    runner = Runner.from_cfg(step_config)
    try:
        for hook in hooks:
            runner.register_hook(hook, 'VERY_LOW')
        runner.train()
    finally:
        close_runner(runner)


class Recorder(Hook):
    """Keeps what an iteration computes: statistics before it, losses, gradients."""

    def before_train(self, runner: Runner) -> None:
        model = unwrap(runner.model)
        self.found: dict[str, Any] = dict(flat('statistics', model.context.statistics))
        parameters = dict(model.named_parameters())

        def keep(*_: Any) -> None:
            self.found.update(
                {f'gradient of {name}': item.grad.clone() for name, item in parameters.items() if item.grad is not None}
            )

        runner.optim_wrapper.optimizer.register_step_pre_hook(keep)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.found.update(
            {name: value.detach().clone() for name, value in outputs.items() if isinstance(value, Tensor)}
        )


def flat(name: str, value: Any) -> list[tuple[str, Any]]:
    """Returns a nested dictionary as pairs."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flat(f'{name}.{key}', item)]
    return [(name, value)]
