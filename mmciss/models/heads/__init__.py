"""Decode heads of papers that MMSegmentation does not have."""

from mmciss.models.heads.added_pool_aspp_head import AddedPoolASPPHead
from mmciss.models.heads.projected_aspp_head import ProjectedASPPHead

__all__ = ['AddedPoolASPPHead', 'ProjectedASPPHead']
