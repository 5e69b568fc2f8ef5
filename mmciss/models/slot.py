"""The life of a slot: which methods of a method's parts are called, and when; and the bases of the parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from mmengine.hooks import Hook
from torch import nn

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


class SlotLife:
    """The calls that every slot gets, in this order. By default each does nothing.

    1. :meth:`check_step`, for every step of the protocol, before the first is trained.
    2. :meth:`prepare`, when the model of a step is built, before its weights are loaded.
    3. :meth:`begin`, when the weights are loaded, before training.
    4. The slot's own work, batch after batch; in the middle :meth:`halfway`, if the method has passes for that moment.
    5. :meth:`end`, when training is over and the weights are final.
    6. :meth:`state`, when the step is saved; the next step's slot of the same name finds it.
    """

    def check_step(self, step: Step) -> None:
        """Rejects a step that the slot cannot learn.

        Args:
            step: Any step of the protocol at which the method has this slot.

        Raises:
            ConfigError: Naming what the slot does not support.
        """

    def prepare(self, context: StepContext) -> None:
        """Inspects the network, rejects what does not fit, and sizes the buffers.

        Raises:
            ConfigError: Naming the config key to change.
        """

    def begin(self, context: StepContext) -> None:
        """Takes over what the previous step left: ``context.previous.slot(self.key)``. The base step has none."""

    def halfway(self, context: StepContext) -> None:
        """Reads what passes halfway through training found, which is in ``context.statistics`` for this call."""

    def end(self, context: StepContext) -> None:
        """Stores in buffers what later steps need; ``context.statistics`` has the results of passes after training."""

    def state(self) -> dict[str, Any]:
        """Returns what the next step will find; nothing by default."""
        return {}


class Slot(SlotLife, nn.Module):
    """Base class of the parts of a method: losses, labelers, initializers, structures, decisions, shared objects.

    State lives in buffers. They are part of every training checkpoint, are saved with the step, and are available to
    :meth:`begin` of the same slot in the next step.

    Attributes:
        needs: What the slot reads; a model that lacks it is rejected before training. Any of ``'logits'``,
            ``'embedding'`` (the classifier's input), ``'features'`` (the outputs of ``layers``), ``'classifier'``,
            ``'rows'`` (a purely linear classifier: rows over the embedding), ``'queries'`` (the logits of queries and
            of their masks), ``'teacher'``, ``'statistics.NAME'`` (a
            pass over the data), ``'shared.NAME'`` (an object in ``method.shared``) and ``'sample.FIELD'`` (a field of
            the training samples).
        layers: Names of modules, relative to the segmentor, for ``'features'``; see
            :class:`~mmciss.models.taps.FeatureTap`.
        key: The slot's place in ``method``, such as ``'losses.kd'``; set by the model.
        remedies: By need, advice for the user when it is not met.
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
        """Processes a training batch before the losses do; the arguments are those of an extra loss."""


class MethodHook(SlotLife, Hook):
    """Base class of hooks in ``method.hooks`` that reject steps or leave something for the next step.

    Of a slot's life they have :meth:`check_step`, :meth:`end` and :meth:`state`; ``before_train`` takes the place of
    ``begin``. The next step finds what :meth:`state` returned under the name of the class,
    ``context.previous.slot('hooks.MyHook')``.
    """
