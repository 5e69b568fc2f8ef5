"""Stopping at the first loss that is NaN or infinite."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmciss.engine.hooks.non_finite_loss_hook import NonFiniteLossError, NonFiniteLossHook


def runner(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(iter=6, distributed=False, work_dir=str(folder))


def test_finite_losses_pass(tmp_path: Path) -> None:
    outputs = {'loss': torch.tensor(1.0), 'decode.acc_seg': torch.tensor(float('nan'))}
    NonFiniteLossHook().after_train_iter(runner(tmp_path), 6, outputs=outputs)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_iteration_term_and_last_checkpoint_are_named(tmp_path: Path, value: float) -> None:
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_4.pth'))
    outputs = {'loss': torch.tensor(value), 'loss_kd': torch.tensor(value), 'decode.loss_ce': torch.tensor(2.0)}
    with pytest.raises(NonFiniteLossError, match=r'iteration 7 .*terms: loss_kd\. Last good checkpoint: .*iter_4.pth'):
        NonFiniteLossHook().after_train_iter(runner(tmp_path), 6, outputs=outputs)
