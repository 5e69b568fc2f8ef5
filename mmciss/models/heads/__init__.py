"""Decode heads of papers that MMSegmentation does not have."""

from mmciss.models.heads.aspp_heads import AddedPoolASPPHead, ProjectedASPPHead
