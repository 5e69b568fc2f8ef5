"""Structures: layers that a method adds inside the network and the plain model does not have."""

from mmciss.models.structures.parallel_branches import ParallelBranches, ParallelConv, ParallelNorm
from mmciss.models.structures.random_expansion import RandomExpansion
from mmciss.models.structures.step_heads import StepHeads
from mmciss.models.structures.structure import Structure
