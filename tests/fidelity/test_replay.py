"""Replay, ours: cross entropy on labels that the old model completes, the start from the background, frozen norms."""

from __future__ import annotations

import torch

from tests.fidelity.compose import compare, compose
from tests.fidelity.test_mbs import cross_entropy


def test_replay() -> None:
    run = compose('mib_voc_15-1', 'replay')
    step = run.later
    for key in ('weight', 'bias'):
        old, rows = run.base.model.segmentor.state_dict(), step.rows(key)
        background = old[f'decode_head.conv_seg.steps.0.{key}'][0] - (torch.tensor(3.0).log() if key == 'bias' else 0)
        for channel in (0, 4, 5):  # the old background's probability, shared out
            torch.testing.assert_close(rows[channel], background)
    assert not any('bn' in name for name in step.parameters()), 'norm layers stay as they are'
    groups = {group['lr'] for group in step.runner.optim_wrapper.optimizer.param_groups}
    assert len(groups) == 2 and max(groups) == 10 * min(groups), 'new rows learn ten times as fast'
    step.move()
    p = torch.softmax(step.teacher().logits, 1)
    best, seen = p.max(1)
    labels = torch.where((step.target == 0) & (seen > 0) & (best >= 0.5), seen, step.target)
    changed = labels != step.target
    assert changed.any() and (labels == 0).any() and (step.target[changed] == 0).all()
    compare(step, cross_entropy(step.answer().logits, labels))
