"""New classes start as a copy of the unknown class (SSUL)."""

from __future__ import annotations

from mmciss.models.initializers.auxiliary_initializer import AuxiliaryInitializer
from mmciss.registry import INITIALIZERS


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
