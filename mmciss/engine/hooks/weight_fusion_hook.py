"""Mixes the weights before and after a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.errors import ConfigError
from mmciss.functional import balance_factor, fuse_weights
from mmciss.models.classifiers.growable import growable_layers
from mmciss.models.classifiers.grown_parameters import old_lengths, widen_parameters
from mmciss.models.slot import MethodHook
from mmciss.utils.checkpoints import load_own, read_plain_checkpoint

if TYPE_CHECKING:
    from mmciss.protocols.step import Step


@HOOKS.register_module()
class WeightFusionHook(MethodHook):
    r"""Mixes the trained weights with those of the previous step, at the end of the step.

    EWF, Endpoints Weight Fusion (CVPR 2023): :math:`\theta = (1 - \beta) \theta_{old} + \beta \theta_{new}` with
    :math:`\beta = \sqrt{N / C}` for everything that existed before the step, running statistics too. The mixture is
    evaluated and exported; it is the next step's start and teacher. New classes' rows stay as trained. Old rows are
    mixed with those of the previous step, not with what an initializer made of them: of an initializer's shift, frozen
    rows keep the share :math:`\beta`.

    Training checkpoints hold the weights before the mixture, so a step that is interrupted and resumed is mixed only
    once.

    Args:
        power: Exponent of N / C, see :func:`mmciss.functional.balance_factor`; 0.5 in the release.
        alpha: Fixed weight of the old model; None for the weight above.

    Raises:
        ConfigError: If ``alpha`` is not between 0 and 1, or ``power`` is negative.
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
        """Keeps the weights with which a resumed step began; the checkpoint is read but not loaded yet."""
        self._remember(runner)

    def check_step(self, step: Step) -> None:
        """Rejects a step in which the old weights would have the whole weight."""
        if not step.is_base and self.alpha is None and not step.num_new:
            raise ConfigError(
                f'method.hooks: WeightFusionHook would end step {step.index} where it began, since none of its '
                f'{step.num_seen} classes is new (a domain-incremental step). Give it an alpha below 1'
            )

    def before_train(self, runner: Runner) -> None:
        """Keeps the weights, and rejects a run that averages weights in another way too.

        Raises:
            ConfigError: If there is an ``EMAHook``.
        """
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ConfigError(
                'custom_hooks: an EMAHook replaces the weights that WeightFusionHook '
                '(method.hooks) mixes; remove one of the two'
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
        # What the previous step does not have, auxiliary channels too, stays as trained.
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
        """Mixes the weights, on every rank."""
        model = unwrap(runner.model)
        if model.previous is None:
            return
        step = model.step
        alpha = self._weight_of_old(step)
        new = model.segmentor.state_dict()
        assert self._start is not None, 'remembered before training'
        old = {name: tensor.to(new[name].device) for name, tensor in self._start.items()}
        fused = fuse_weights(old, new, alpha)
        for name, (dim, length) in self._old_lengths.items():  # new rows stay as trained
            rest = new[name].shape[dim] - length
            fused[name].narrow(dim, length, rest).copy_(new[name].narrow(dim, length, rest))
        load_own(model.segmentor, fused)
        self._start = None
        runner.logger.info(
            f'The weights of step {step.index} are {alpha:.4f} times those of the previous step plus '
            f'{1 - alpha:.4f} times the trained ones.'
        )
