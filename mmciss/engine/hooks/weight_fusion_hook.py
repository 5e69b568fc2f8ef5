"""A step ends between where it began and where it arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from mmciss.engine.hooks.method_hook import MethodHook
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.errors import ConfigError
from mmciss.functional import balance_factor, fuse_weights
from mmciss.models.classifiers.growable import growable_layers
from mmciss.models.classifiers.grown_parameters import old_lengths, widen_parameters
from mmciss.utils.checkpoints import load_own, read_plain_checkpoint

if TYPE_CHECKING:
    from mmciss.protocols.step import Step


@HOOKS.register_module()
class WeightFusionHook(MethodHook):
    r"""Mixes the trained weights with those of the step before, when the step ends.

    EWF, Endpoints Weight Fusion (CVPR 2023):
    :math:`\theta = (1 - \beta) \theta_{old} + \beta \theta_{new}` with :math:`\beta = \sqrt{N / C}` for
    everything that existed before the step, running statistics too. The mixture is what is evaluated, exported,
    and what the next step starts from and learns from. New classes' rows stay as they were trained. Old rows are
    mixed with those of the step before, not with what an initializer made of them: frozen rows keep that share
    of the shift which the trained weights have in the mixture.

    Training checkpoints hold the weights before the mixture, so a step that is killed and resumed is mixed once.

    Args:
        power: Exponent of N / C, see :func:`mmciss.functional.balance_factor`; 0.5 is the release's.
        alpha: A fixed weight of the old model instead, None for that.

    Raises:
        ConfigError: If ``alpha`` is no weight or ``power`` is negative.
    """

    priority = 'HIGH'

    def __init__(self, power: float = 0.5, alpha: float | None = None) -> None:
        if alpha is not None and not 0 <= alpha <= 1:
            raise ConfigError(f'method.hooks: WeightFusionHook.alpha must lie between 0 and 1, found {alpha}')
        if power < 0:
            raise ConfigError(f'method.hooks: WeightFusionHook.power must not be negative, found {power}')
        self.power = power
        self.alpha = alpha
        self._start: dict[str, Tensor] | None = None
        self._old_lengths: dict[str, tuple[int, int]] = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Remembers what a resumed step began with; the checkpoint is read but not loaded yet."""
        self._remember(runner)

    def check_step(self, step: Step) -> None:
        """Refuses a step at which the old weights would weigh everything."""
        if not step.is_base and self.alpha is None and not step.num_new:
            raise ConfigError(
                f'method.hooks: WeightFusionHook would end step {step.index} where it began, since none of its '
                f'{step.num_seen} classes is new (a domain-incremental step). Give it an alpha below 1'
            )

    def before_train(self, runner: Runner) -> None:
        """Remembers the weights, and refuses a run whose result is another average of weights.

        Raises:
            ConfigError: If there is an ``EMAHook``.
        """
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ConfigError(
                'custom_hooks: an EMAHook replaces the weights that WeightFusionHook '
                '(method.hooks) mixes; take one of them out'
            )
        if self._start is None:
            self._remember(runner)

    def _weight_of_old(self, step: Step) -> float:
        if self.alpha is not None:
            return self.alpha
        return balance_factor(step.num_old, step.num_seen, self.power)

    def _remember(self, runner: Runner) -> None:
        model = unwrap(runner.model)
        if model.previous is None:
            return
        layers = growable_layers(model.segmentor)
        # What the step before does not know, auxiliary channels too, stays as it is trained.
        start = {
            name: tensor.detach().cpu().clone()
            for name, tensor in model.segmentor.state_dict().items()
            if not name.startswith(tuple(f'{layer}.' for layer in layers))
        }
        weights = read_plain_checkpoint(model.previous.model)
        self._old_lengths = old_lengths(model.segmentor, weights)
        widen_parameters(model.segmentor, weights)
        for name, layer in layers.items():
            if layer.linear:
                layer.split_rows(weights, f'{name}.')
            start.update((key, weights[key]) for key in weights if key.startswith(f'{name}.'))
        self._start = start

    def after_train(self, runner: Runner) -> None:
        """Mixes, on every rank."""
        model = unwrap(runner.model)
        if model.previous is None:
            return
        step = model.step
        alpha = self._weight_of_old(step)
        new = model.segmentor.state_dict()
        assert self._start is not None, 'remembered before training'
        old = {name: tensor.to(new[name].device) for name, tensor in self._start.items()}
        fused = fuse_weights(old, new, alpha)
        for name, (dim, length) in self._old_lengths.items():  # what is longer now stays as it was trained
            rest = new[name].shape[dim] - length
            fused[name].narrow(dim, length, rest).copy_(new[name].narrow(dim, length, rest))
        load_own(model.segmentor, fused)
        self._start = None
        runner.logger.info(
            f'The weights of step {step.index} are {alpha:.4f} times those of the step before and '
            f'{1 - alpha:.4f} times the trained ones.'
        )
