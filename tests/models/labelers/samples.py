"""Batches for labelers."""

from __future__ import annotations

from typing import Any

import torch

from mmciss.models.labelers.labeling import LabelBatch
from mmciss.models.outputs import SegOutput
from tests.functional import closed_form as cf


def batch(**statistics: Any) -> LabelBatch:
    """Two images, and what was found before training."""
    return LabelBatch(torch.zeros(2, 3, 8, 8), [], statistics)


def output() -> SegOutput:
    """Logits of four old channels at the labels' size, and five features at half of it."""
    return SegOutput(cf.teacher_logits(), features={'backbone': (torch.zeros(1), cf.wave((2, 5, 4, 4), 0.3, 0.2))})
