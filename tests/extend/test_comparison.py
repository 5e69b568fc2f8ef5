"""Counting what two models say, checked against sums by hand."""

from __future__ import annotations

import torch

from mmciss.extend.comparison import Comparison
from mmciss.extend.extension import extension_protocol
from mmciss.protocols.labels import UNKNOWN

U = UNKNOWN
LABEL = torch.tensor([[0, 0, 1, 1], [2, 2, U, 255]])
BEFORE = torch.tensor([[0, 1, 1, 1], [0, 1, 0, 0]])
AFTER = torch.tensor([[0, 2, 1, 2], [2, 1, 2, 1]])


def counted(labelled: set[int], background: bool = True) -> Comparison:
    """Two old classes, one new: eight pixels."""
    found = Comparison(extension_protocol(('background', 'cat'), ['fork'], background)[1], labelled)
    found.add(LABEL, BEFORE, AFTER)
    return found


def test_tables() -> None:
    counts = counted({0, 1, 2})
    assert counts.before.counts.tolist() == [[1, 1], [0, 2], [1, 1], [1, 0]]
    assert counts.after.counts.tolist() == [[1, 0, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1]] and counts.num_images == 1


def test_agreement_is_counted_where_the_labels_rule_new_classes_out() -> None:
    # Pixels labelled new, and ignored ones, say nothing about forgetting.
    assert counted({0, 1, 2}).agreement.tolist() == [[1, 0, 1], [0, 1, 2]]
    # Labelled 'background' or nothing by those who did not label the new class, a pixel may show it.
    assert counted({0, 1}).agreement.tolist() == [[1, 0, 0], [0, 1, 1]]
    # Without a background class, class 0 is a class as any other.
    assert counted({0, 1}, background=False).agreement.tolist() == [[1, 0, 0], [0, 1, 2]]
