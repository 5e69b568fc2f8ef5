"""The base class of initializers, and the one that draws rows at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mmciss.errors import ConfigError, unknown_name
from mmciss.models.classifiers.growable import Growable, growable_layers
from mmciss.models.slot import Slot
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step

WEIGHTS = ('uniform', 'kaiming_normal')


class Initializer(Slot):
    """Base class: gives the rows of a step's new classes their first values, in place, in every classifier.

    By then the classifiers have their old rows, and new rows as torch draws them for a new layer.
    """

    needs_background: bool = True
    needs_auxiliary: bool = False

    def prepare(self, context: StepContext) -> None:
        """Rejects classifiers whose rows it cannot initialise.

        Raises:
            ConfigError: If the protocol or the classifiers lack what the initializer copies from.
        """
        assert context.model is not None
        classifiers = growable_layers(context.model.segmentor)
        for classifier in classifiers.values():
            self.check(classifier, context.step)
        if self.needs_auxiliary and all(item.auxiliary is None for item in classifiers.values()):
            raise ConfigError(
                f'method.initializer: {type(self).__name__} copies an auxiliary channel, but the model has none; set '
                f'method.classifier=dict(auxiliary=1) in the base step too'
            )

    def begin(self, context: StepContext) -> None:
        """Initialises the new rows of every classifier."""
        assert context.model is not None
        if context.previous is not None and context.step.num_new:
            for name, classifier in growable_layers(context.model.segmentor).items():
                self(classifier, context, name)

    def forward(self, classifier: Growable, context: StepContext, name: str = '') -> None:
        """Initialises the new rows of one classifier.

        Args:
            classifier: Classifier of one head.
            context: Context of a step later than the base step.
            name: Name of the classifier in the segmentor, or '' if unknown.

        Raises:
            ConfigError: If the protocol or the classifier lacks what the initializer copies from.
        """
        self.check(classifier, context.step)
        if context.step.num_new:
            with torch.no_grad():
                self.start(classifier, classifier.steps[context.step.index], context, name)

    def check(self, classifier: Growable, step: Step) -> None:
        """Rejects a classifier whose rows it cannot initialise.

        Raises:
            ConfigError: If there is no background channel, or the classifier does not have the step's channels.
        """
        if classifier.sizes != tuple(step.sizes):
            raise ConfigError(
                f'method.initializer: the classifier has {classifier.sizes} channels '
                f'by step, but step {step.index} has {tuple(step.sizes)}'
            )
        if self.needs_background and not step.background:
            raise ConfigError(
                f'method.initializer: {type(self).__name__} copies the background channel, which '
                f'this protocol does not have (no channel 0 for background). Allowed '
                f'here: RandomInitializer.'
            )

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Gives the group ``new`` of the classifier its first values."""
        raise NotImplementedError


@INITIALIZERS.register_module()
class RandomInitializer(Initializer):
    """Draws new rows as torch does for a new layer: uniformly within ±1 / sqrt(D) for a 1x1 kernel.

    Used by fine-tuning, LwF, LwF-MC, ILT and SDR.

    Args:
        weight: ``'uniform'`` for the above; ``'kaiming_normal'`` draws weights with a standard deviation of
            sqrt(2 / D), as STAR does, and biases as before.

    Raises:
        ConfigError: If ``weight`` is neither.
    """

    needs_background = False

    def __init__(self, weight: str = 'uniform') -> None:
        super().__init__()
        if weight not in WEIGHTS:
            raise unknown_name('distribution', weight, WEIGHTS, 'method.initializer.weight')
        self.weight = weight

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Draws the rows."""
        new.reset_parameters()
        if self.weight == 'kaiming_normal':
            for name, parameter in new.named_parameters():
                if name.endswith('weight'):
                    nn.init.kaiming_normal_(parameter)
