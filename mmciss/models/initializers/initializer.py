"""What all initializers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import Growable

if TYPE_CHECKING:
    from mmciss.models.initializers.context import InitializerContext
    from mmciss.protocols.step import Step


class Initializer:
    """Base class: gives the rows of a step's new classes their first values, in place.

    The classifier already holds the old rows, and new rows as torch draws them for a new layer.
    """

    needs_background: bool = True
    needs_auxiliary: bool = False

    def __call__(self, classifier: Growable, step: Step, context: InitializerContext) -> None:
        """Starts the new rows of one classifier.

        Args:
            classifier: Classifier of one head.
            step: The step, later than the base step.
            context: What was found about the step before it started.

        Raises:
            ConfigError: If the protocol or the classifier lacks what the initializer copies from.
        """
        self.check(classifier, step)
        if step.num_new:
            with torch.no_grad():
                self.start(classifier, classifier.steps[step.index], step, context)

    def check(self, classifier: Growable, step: Step) -> None:
        """Refuses what cannot be initialized; may be called when the model is built.

        Raises:
            ConfigError: If there is no background channel, or the channels are not those of the
                step.
        """
        name = type(self).__name__
        if classifier.sizes != tuple(step.sizes):
            raise ConfigError(
                f'method.initializer: the classifier has {classifier.sizes} channels '
                f'by step, but step {step.index} has {tuple(step.sizes)}'
            )
        if self.needs_background and not step.background:
            raise ConfigError(
                f'method.initializer: {name} copies the background channel, which '
                f'this protocol does not have (no channel 0 for background). Allowed '
                f'here: RandomInitializer.'
            )

    def start(self, classifier: Growable, new: nn.Module, step: Step, context: InitializerContext) -> None:
        """Gives the group ``new`` of the classifier its first values."""
        raise NotImplementedError
