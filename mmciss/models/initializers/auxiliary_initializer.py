"""New classes start as a copy of an auxiliary channel: the auxiliary classifier (DKD) or the unknown class (SSUL)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import Growable, copy_row
from mmciss.models.initializers.initializer import Initializer
from mmciss.registry import INITIALIZERS

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


@INITIALIZERS.register_module()
class AuxiliaryInitializer(Initializer):
    """Copies weight and bias of an auxiliary channel, and its own layers if it has any, into every new row.

    The auxiliary channel is trained to be negative everywhere, so a new class starts by firing nowhere and does not
    disturb the old ones (Baek et al., NeurIPS 2022, arXiv 2210.05941). The channel itself keeps its weights.

    A classifier without auxiliary channels, such as that of an auxiliary head, keeps its random rows; that the main one
    has them is checked when the model is built.

    Args:
        channel: Which auxiliary channel.
    """

    needs_background = False
    needs_auxiliary = True

    def __init__(self, channel: int = 0) -> None:
        super().__init__()
        self.channel = channel

    def check(self, classifier: Growable, step: Step) -> None:
        """Also rejects a channel that does not exist."""
        super().check(classifier, step)
        if classifier.auxiliary is not None:
            count = len(classifier.auxiliary.weight)
            if not 0 <= self.channel < count:
                raise ConfigError(
                    f'method.initializer.channel={self.channel}: the classifier has '
                    f'{count} auxiliary channels (method.classifier.auxiliary)'
                )

    def start(self, classifier: Growable, new: Any, context: StepContext, name: str) -> None:
        """Copies the channel."""
        if classifier.auxiliary is None:
            return
        copy_row(classifier.auxiliary, self.channel, new)


@INITIALIZERS.register_module()
class UnknownInitializer(AuxiliaryInitializer):
    """Copies the unknown channel into every new row.

    SSUL (Cha et al., NeurIPS 2021, arXiv 2106.11562) learns unnamed objects as one class besides the background; a new
    class was part of it. Unlike the auxiliary channel of DKD it is trained on positives. It is one of the classifier's
    auxiliary channels, since it is not a class of the protocol; ``detach_auxiliary=False`` lets it train the network in
    the base step.

    Where every step has a head of its own (:class:`~mmciss.models.structures.StepHeads`), the whole head is copied:
    its convolution, batch norm with statistics, and the row.

    Args:
        channel: Which auxiliary channel is the unknown class.
    """
