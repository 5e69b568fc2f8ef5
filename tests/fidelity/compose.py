"""Two steps of a published config on a tiny network, put together by the project, to be compared with plain PyTorch.

Everything that a method's file says is used as it is: slots, factors, layers, groups of parameters. Replaced are the
network's widths and the data. A test asks for a step, writes the method's formulas with tensors, and compares::

    run = compose('mib_voc_15-1')
    new, old = run.later.answer(), run.later.teacher()
    compare(run.later, my_loss(new.logits, old.logits, run.later.target))
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

import mmciss.register_all
from mmciss.apis.overrides import use_method
from mmciss.engine.hooks.teacher_hook import TeacherHook
from mmciss.engine.runner.schedule import plan_step
from mmciss.engine.runner.step_config import make_step_config, method_slots
from mmciss.engine.statistics.data_pass import DataPass, run_passes
from mmciss.models.slot import MethodHook
from mmciss.models.step_context import StepState
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import STATISTICS
from mmciss.utils.files import save_tensors
from tests.fidelity.network import Answer, answer, float64, settle, tiny
from tests.paths import ROOT

NAMES = ('background', 'a', 'b', 'c', 'd', 'e')
BASE = Step(0, new=(1, 2, 3), old=(), sizes=(4,), names=NAMES[:4], upcoming=(2, 1))
LATER = Step(1, new=(4, 5), old=(1, 2, 3), sizes=(4, 2), names=NAMES, upcoming=(1,))
DOMAINS = (
    Step(0, new=(1, 2, 3, 4), old=(), sizes=(4,), names=NAMES[1:5], background=False),
    Step(1, new=(), old=(1, 2, 3, 4), sizes=(4, 0), names=NAMES[1:5], background=False),
)
"""Two steps that see other images of the same classes."""
IMAGES, SIDE = 3, 64


@cache
def read(recipe: str, method: str | None) -> Config:
    """Reads ``configs/recipes/<recipe>.py``, with another method if one is named, as ``--method`` does."""
    cfg = Config.fromfile(ROOT / f'configs/recipes/{recipe}.py')
    if method is not None:
        use_method(cfg, method)
    return cfg


def batch(labels: Iterable[int], seed: int, images: int = IMAGES) -> tuple[Tensor, Tensor]:
    """Draws images ``(N, 3, S, S)`` and labels ``(N, S, S)`` in blocks of 8 pixels, every label at least once."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(images, 3, SIDE, SIDE, generator=generator, dtype=torch.float64)
    values, blocks = torch.tensor(list(labels)), SIDE // 8
    chosen = values[torch.randint(len(values), (images * blocks * blocks,), generator=generator)]
    chosen[torch.randperm(len(chosen), generator=generator)[: len(values)]] = values
    # Colours that tell something of the label, so that a network's answers do too.
    target = chosen.view(images, blocks, blocks).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return inputs + (target.unsqueeze(1) % 7).double() * torch.tensor([0.5, -0.4, 0.3]).view(3, 1, 1), target


def saliency(target: Tensor) -> Tensor:
    """Returns what the recipes with saliency maps see ``(N, H, W)``: every second column of pixels stands out."""
    return (torch.arange(target.shape[-1]) % 2).to(torch.uint8).expand_as(target)


def samples(target: Tensor) -> list[SegDataSample]:
    """Wraps labels ``(N, H, W)`` as MMSegmentation does, with saliency maps."""
    found = []
    for label in target:
        shape = tuple(label.shape)
        sample = SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape))
        sample.gt_sem_seg = PixelData(data=label[None].clone())
        sample.gt_saliency = PixelData(data=saliency(label)[None])
        found.append(sample)
    return found


@contextmanager
def silent() -> Iterator[None]:
    """Keeps mmengine from telling how each weight is initialized and how fast it learns."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        yield
    finally:
        logger.setLevel(level)


class ComposedStep:
    """One step as the runner would train it, before its first update.

    Attributes:
        step: The step: 4 channels, then 2 more.
        cfg: The step's plain config, network and data replaced.
        slots: What the method fills at the step.
        model: The project's wrapper with its teacher, in training mode, in double precision.
        start: The student's weights by name as the step starts, after the initializer.
        old: The network that the previous step left, in evaluation mode; None at the base step.
        inputs: Images ``(N, 3, H, W)``.
        target: Labels ``(N, H, W)``: background, new and old classes, 255.
        runner: What hooks read of a runner; its ``optim_wrapper`` is the config's.
        hooks: The method's own hooks.
    """

    def __init__(self, cfg: Config, step: Step, folder: Path, before: ComposedStep | None, seed: int) -> None:
        self.step, self.folder, self.seed = step, folder, seed
        self.found: dict[str, Any] = {}
        self.ended = False
        self.slots = method_slots(cfg.get('method'), step)
        plan = plan_step(cfg.get('steps'), step.index, 240, 24, 10)
        previous = None if before is None else before.leave()
        self.cfg = make_step_config(cfg, step, plan, previous)
        labels = [0, *range(step.num_seen), 255]
        self.batches = [batch(labels, seed + index) for index in range(3)]
        self.inputs, self.target = self.batches[0]
        self.old = None if before is None else copy.deepcopy(before.model.segmentor).eval()
        with float64(), silent(), DefaultScope.overwrite_default_scope('mmseg'):
            torch.manual_seed(seed)
            self.model = MODELS.build(copy.deepcopy(self.cfg.model))
            self._build_runner()
            self._begin()

    def _build_runner(self) -> None:
        optimizer = copy.deepcopy(self.cfg.optim_wrapper)
        optimizer['type'] = 'OptimWrapper'
        optimizer.pop('loss_scale', None)
        # The runner's passes over the data look for this hook to decide whether a teacher has to be there.
        passes = [type('StatisticsHook', (), {})()] if self.slots['statistics'] else []
        self.hooks = [HOOKS.build(copy.deepcopy(hook)) for hook in self.slots['hooks'] or []]
        self.runner = SimpleNamespace(
            model=self.model,
            optim_wrapper=build_optim_wrapper(self.model, optimizer),
            hooks=[*passes, *self.hooks],
            logger=logging.getLogger('fidelity'),
            iter=0,
            work_dir=str(self.folder),
            cfg=self.cfg,
            message_hub=SimpleNamespace(update_scalar=lambda *_: None),
            seed=self.seed,
            rank=0,
            distributed=False,
            max_iters=self.cfg.train_cfg.max_iters,
        )

    def _begin(self) -> None:
        """What happens before the first update, in the runner's order."""
        teaching = TeacherHook()
        teaching.before_run(self.runner)
        passes = self._passes('before')
        if passes and self.model.previous is not None:
            run_passes(passes, self.model.context, self.model.teacher, lambda: self.batches)
        self.model.init_weights()
        if self.model.previous is None:
            settle(self.model.segmentor, self.inputs)
        teaching.before_train(self.runner)
        self.start = {name: value.detach().clone() for name, value in self.model.segmentor.state_dict().items()}
        self.model.train()

    def _passes(self, when: str) -> dict[str, DataPass]:
        """The method's passes over the data at a moment."""
        passes = {
            name: STATISTICS.build(dict(config))
            for name, config in (self.slots['statistics'] or {}).items()
            if config is not None
        }
        return {name: item for name, item in passes.items() if item.when == when and item.applies(self.step)}

    def end(self) -> None:
        """Ends the step, once: passes after training over its batches, then every slot."""
        if self.ended:
            return
        self.ended = True
        if passes := self._passes('after'):
            trained = Teacher(copy.deepcopy(self.model.segmentor))
            self.found = run_passes(passes, self.model.context, trained, lambda: self.batches)
        for slot in self.model.slots().values():
            slot.end(self.model.context)

    @torch.no_grad()
    def move(self, size: float = 0.05) -> None:
        """Moves what learns a little, as some updates would: a student that is its teacher proves little."""
        generator = torch.Generator().manual_seed(self.seed)
        for parameter in self.parameters().values():
            parameter += size * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Returns what learns by name, relative to the segmentor."""
        return {name: value for name, value in self.model.segmentor.named_parameters() if value.requires_grad}

    def loss(self) -> dict[str, Tensor]:
        """Returns the project's losses of the batch; ``loss`` is what is differentiated."""
        torch.manual_seed(self.seed)
        with DefaultScope.overwrite_default_scope('mmseg'):
            total, log = self.model.parse_losses(self.model.loss(self.inputs, samples(self.target)))
        return {**log, 'loss': total}

    def answer(self, *names: str) -> Answer:
        """Returns what the student says, with gradients; ``names`` as in :func:`tests.fidelity.network.answer`."""
        torch.manual_seed(self.seed)
        return answer(self.model.segmentor, self.inputs, names)

    @torch.no_grad()
    def teacher(self, *names: str) -> Answer:
        """Returns what the network of the previous step says."""
        return answer(self.old, self.inputs, names)

    def rows(self, key: str = 'weight', of: dict[str, Tensor] | None = None) -> Tensor:
        """Returns the classifier's rows in channel order, out of ``start`` unless other weights are given."""
        of = self.start if of is None else of
        groups = [of[f'decode_head.conv_seg.steps.{index}.{key}'] for index in range(self.step.index + 1)]
        return torch.cat(groups)

    def learn(self, updates: int) -> None:
        """Makes updates with the method's hooks, each on its own batch, as the runner's loop does."""
        for name in ('before_run', 'before_train'):
            for hook in self.hooks:
                getattr(hook, name)(self.runner)
        for index in range(updates):
            inputs, target = self.batches[index % len(self.batches)]
            for hook in self.hooks:
                hook.before_train_iter(self.runner, index)
            total, log = self.model.parse_losses(self.model.loss(inputs, samples(target)))
            self.runner.optim_wrapper.update_params(total)
            self.runner.iter = index
            for hook in self.hooks:
                hook.after_train_iter(self.runner, index, outputs=log)
        for hook in self.hooks:
            hook.after_train(self.runner)

    def leave(self) -> StepState:
        """Writes what the next step starts from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.end()
        save_tensors(self.folder / 'model.pth', {'state_dict': self.model.network_weights()})
        state = self.model.method_state()
        state['hooks'] = {type(hook).__name__: hook.state() for hook in self.hooks if isinstance(hook, MethodHook)}
        state['statistics'] = self.found
        save_tensors(self.folder / 'state.pth', state)
        return StepState(str(self.folder / 'model.pth'), str(self.folder / 'state.pth'))


class Composition:
    """The base step and a later one of a config; ``later`` is made when it is asked for."""

    def __init__(self, cfg: Config, seed: int, steps: tuple[Step, Step] = (BASE, LATER)) -> None:
        self._folder = TemporaryDirectory()
        self.cfg, self.seed, self._steps = cfg, seed, steps
        self.base = ComposedStep(cfg, steps[0], Path(self._folder.name, 'step_0'), None, seed)
        self._later: ComposedStep | None = None

    @property
    def later(self) -> ComposedStep:
        """Step 1; it starts from what the base step is when this is first asked for."""
        if self._later is None:
            self._later = ComposedStep(
                self.cfg, self._steps[1], Path(self._folder.name, 'step_1'), self.base, self.seed + 100
            )
        return self._later


def compose(
    recipe: str,
    method: str | None = None,
    network: dict[str, Any] | None = None,
    seed: int = 0,
    steps: tuple[Step, Step] = (BASE, LATER),
    **options: Any,
) -> Composition:
    """Puts the two steps of a recipe together.

    Args:
        recipe: Name of a file in ``configs/recipes``.
        method: Another method, out of ``configs/_base_/methods``, as ``--method`` takes it.
        network: Changes of the tiny network's config, dots in the keys.
        seed: Decides weights and data.
        steps: The two steps.
        options: Changes of the whole config, ``__`` for dots, as ``--cfg-options``.
    """
    cfg = copy.deepcopy(read(recipe, method))
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    cfg.pop('data_preprocessor', None)
    cfg.model = tiny(cfg.model, network)
    return Composition(cfg, seed, steps)


def compare(step: ComposedStep, reference: Tensor, tolerance: float = 1e-9) -> dict[str, float]:
    """Fails unless the project's total loss and all gradients are those of a plain computation.

    Args:
        step: The step.
        reference: The loss, computed from :meth:`ComposedStep.answer`.
        tolerance: Relative to the loss, and to the norm of each gradient (or a millionth of the largest norm, since
            a weight in front of a batch norm has a gradient that is rounding alone). In double precision sums in
            another order differ by some 1e-13.

    Returns:
        The greatest relative differences, ``loss`` and ``gradient``.
    """
    parameters = step.parameters()
    expected = torch.autograd.grad(reference, list(parameters.values()), allow_unused=True)
    total = step.loss()['loss']
    found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    difference = float((total - reference).detach().abs() / reference.detach().abs())
    assert difference <= tolerance, f'loss {float(total)}, expected {float(reference)}'
    norms = [0.0 if item is None else float(item.norm()) for item in expected]
    worst = 0.0
    for name, norm, one, other in zip(parameters, norms, found, expected, strict=True):
        zero = torch.zeros_like(parameters[name])
        gap = float(((zero if one is None else one) - (zero if other is None else other)).norm())
        relative = gap / max(norm, 1e-6 * max(norms))
        assert relative <= tolerance, f'gradient of {name}: off by {relative:.1e} of its norm {norm:.3g}'
        worst = max(worst, relative)
    return {'loss': difference, 'gradient': worst}
