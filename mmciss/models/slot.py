"""The life of a slot: what a method's parts are asked, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


class SlotLife:
    """The calls that every slot gets, in this order. Each does nothing unless a slot says otherwise.

    1. :meth:`check_step`, for every step of the protocol, before the first one is trained.
    2. :meth:`prepare`, when the model of a step is built and holds no weights yet.
    3. :meth:`begin`, when the weights are loaded and nothing is trained yet.
    4. The slot's own work, batch after batch.
    5. :meth:`end`, when training is over and the weights are final.
    6. :meth:`state`, when the step is saved; the next step's slot of the same name finds it.
    """

    def check_step(self, step: Step) -> None:
        """Refuses a step that the slot cannot learn.

        Args:
            step: Any step of the protocol at which the method has this slot.

        Raises:
            ConfigError: Saying what it cannot do.
        """

    def prepare(self, context: StepContext) -> None:
        """Looks at the network, refuses what does not fit, and gives buffers their size.

        Raises:
            ConfigError: Naming the config key to change.
        """

    def begin(self, context: StepContext) -> None:
        """Adopts what the step before left: ``context.previous.slot(self.key)``; the base step has no ``previous``."""

    def end(self, context: StepContext) -> None:
        """Computes what later steps need, into buffers. ``context.statistics`` holds the passes made after training."""

    def state(self) -> dict[str, Any]:
        """Returns what the next step finds: nothing, unless a slot says otherwise."""
        return {}


class Slot(SlotLife, nn.Module):
    """Base class of the parts of a method: losses, labelers, initializers, structures, decisions, shared objects.

    State lives in buffers. They are in every training checkpoint, are saved with the step, and :meth:`begin` of the
    next step's slot gets them.

    Attributes:
        needs: What the slot reads, refused before training if it is not there. Out of ``'logits'``, ``'embedding'``
            (the classifier's input), ``'features'`` (the outputs of ``layers``), ``'classifier'``, ``'rows'`` (a
            classifier of rows over the embedding and nothing else), ``'teacher'``, ``'statistics.NAME'`` (a pass over
            the data), ``'shared.NAME'`` (an object in ``method.shared``) and ``'sample.FIELD'`` (a field of the
            training samples).
        layers: Names of modules, relative to the segmentor, for ``'features'``; see
            :class:`~mmciss.models.taps.FeatureTap`.
        key: Where the slot stands in ``method``, such as ``'losses.kd'``; known once a model holds it.
        remedies: What to do about a need that is not met, by need.
    """

    needs: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    key: str = ''
    remedies: ClassVar[Mapping[str, str]] = {}

    def state(self) -> dict[str, Any]:
        """Returns the buffers and parameters by name."""
        return self.state_dict()


class SharedSlot(Slot):
    """Base class of objects that several slots of a method use, under a name in ``method.shared``."""

    def update(self, student: Any, teacher: Any, target: Any, context: StepContext) -> None:
        """Takes in a training batch, before the losses see it; arguments as of an extra loss."""
