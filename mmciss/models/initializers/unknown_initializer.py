"""New classes start as the unknown class (SSUL)."""
from __future__ import annotations

from mmciss.models.initializers.auxiliary_initializer import AuxiliaryInitializer
from mmciss.registry import INITIALIZERS


@INITIALIZERS.register_module()
class UnknownInitializer(AuxiliaryInitializer):
    """Copies weight and bias of the unknown channel into every new row.

    SSUL (Cha et al., NeurIPS 2021, arXiv 2106.11562) learns objects that have no name
    yet as one class beside the background; a class that arrives was part of it. Unlike the
    auxiliary channel of DKD it is trained on positives. It sits in the classifier's auxiliary
    channels, since it is no class of the protocol; ``detach_auxiliary=False`` lets it train the
    network in the base step.

    The released model gives every step a 3 x 3 convolution of its own before the classifier, which
    is copied too. Here the heads are MMSegmentation's, with one trunk and one classifier.

    Args:
        channel: Which auxiliary channel is the unknown class.
    """
