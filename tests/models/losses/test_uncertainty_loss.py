"""The module around the uncertainty-aware constraint."""

from __future__ import annotations

import torch

from mmciss.functional import uncertainty
from mmciss.models.losses import UncertaintyLoss
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from tests.models.tiny import BASE, LATER


def test_it_is_the_function_at_the_size_of_the_labels_times_its_factor() -> None:
    generator = torch.Generator().manual_seed(0)
    output = SegOutput(torch.randn(2, 5, 4, 4, generator=generator))
    target = torch.randint(0, 5, (2, 16, 16), generator=generator)
    found = UncertaintyLoss(0.5, threshold=0.8)(output, None, target, StepContext(LATER))
    torch.testing.assert_close(found, 0.5 * uncertainty(output.logits_at((16, 16)), target, 0.8))
    assert found > 0 and UncertaintyLoss().loss_weight == 0.1
    assert 'teacher' not in UncertaintyLoss.needs
    one = SegOutput(torch.randn(2, 2, 4, 4))
    assert UncertaintyLoss()(one, None, target * 0, StepContext(BASE)) == 0
