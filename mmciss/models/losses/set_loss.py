"""The own loss of a head that classifies queries, as a main loss."""

from __future__ import annotations

from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.models.classifiers.grow import growing_heads
from mmciss.models.losses.main_loss import MainLoss
from mmciss.models.step_context import StepContext


@MODELS.register_module()
class SetLoss(MainLoss):
    """Stands for the loss that a head of queries brings along, so that it learns as in plain MMSegmentation.

    MaskFormer (NeurIPS 2021, arXiv 2107.06278) and Mask2Former (CVPR 2022, arXiv 2112.01527): the masks of the classes
    in the labels are matched with queries, one to one; matched queries have losses of class and mask, all others are
    'no object', after every decoder layer. Factors, costs and points are those of the head's config. Weights of pixels
    that a labeler gives are not read.

    Args:
        loss_weight: Factor of all losses of the head.
        loss_name: Not used; the losses keep the head's names.
    """

    needs = ('queries',)

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_set') -> None:
        super().__init__(loss_weight=loss_weight, loss_name=loss_name)

    def prepare(self, context: StepContext) -> None:
        """Rejects heads that have no such loss.

        Raises:
            ConfigError: If another head has it, it is not alone, or the head's config lacks the matching.
        """
        super().prepare(context)
        assert context.model is not None
        for name, head in growing_heads(context.model.segmentor).items():
            if self in head.modules() and getattr(head, 'loss_decode', None) is not self:
                raise ConfigError(f'model.{name}.loss_decode: SetLoss stands for all losses of a head, alone')
            if self in head.modules() and getattr(head, 'query_sampler', None) is None:
                raise ConfigError(
                    f'model.{name}: SetLoss is the own loss of a head that classifies queries, with the assigner and '
                    f'sampler of its train_cfg; {type(head).__name__} has none'
                )
