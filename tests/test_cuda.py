"""A GPU computes what a CPU computes. The rest of the suite runs on a GPU too, where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmciss.engine import IncrementalRunner
from mmciss.functional import correlations, random_features, random_projection
from mmciss.functional.cross_entropy import unbiased_cross_entropy
from mmciss.functional.logit_distillation import unbiased_distillation
from mmciss.functional.sigmoid_distillation import sigmoid_distillation
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from tests.models.tiny import BASE, batch, segmentor_config
from tests.smoke import smoke_config

cuda = pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason='for machines with CUDA')
every_device = pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=cuda)])


def losses(device: str) -> list[torch.Tensor]:
    """Three losses of logits at stride 4, and their gradients."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 8, 8, generator=generator).to(device).requires_grad_(True)
    teacher = torch.randn(2, 3, 8, 8, generator=generator).to(device)
    target = torch.randint(0, 5, (2, 32, 32), generator=generator).to(device)
    target[:, 0] = 255
    values = (
        unbiased_cross_entropy(logits, target, 3),
        unbiased_distillation(logits, teacher),
        sigmoid_distillation(logits, teacher, (32, 32)),
    )
    return [part.cpu() for value in values for part in (value.detach(), *torch.autograd.grad(value, logits))]


@every_device
def test_losses_agree_with_the_cpu(device: str) -> None:
    for found, expected in zip(losses(device), losses('cpu'), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@every_device
@pytest.mark.parametrize('channels_last', [False, True])
def test_the_losses_of_a_network_agree_with_the_cpu(device: str, channels_last: bool) -> None:
    torch.manual_seed(0)
    model = IncrementalSegmentor(segmentor_config(3), BASE, channels_last=channels_last).train()
    inputs, samples = batch(channels=3)
    expected = model(inputs, samples, mode='loss')
    found = model.to(device)(inputs.to(device), [sample.to(device) for sample in samples], mode='loss')
    for name, value in expected.items():
        torch.testing.assert_close(found[name].cpu(), value, rtol=1e-3, atol=1e-4)


@every_device
def test_the_sums_of_the_closed_form_agree_with_the_cpu(device: str) -> None:
    embedding, labels = torch.randn(2, 8, 6, 5), torch.randint(0, 4, (2, 6, 5))
    projection = random_projection(8, 300).float()
    expected = correlations(random_features([embedding], projection), labels, 3)
    features = random_features([embedding.to(device)], projection.to(device))
    found = correlations(features, labels.to(device), 3)
    for one, other in zip(found, expected, strict=True):
        assert one.device.type == device
        torch.testing.assert_close(one.cpu(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='for machines with CUDA')
@pytest.mark.parametrize(
    'options',
    [
        dict(method='closed_form_fine', optim_wrapper__type='AmpOptimWrapper', channels_last=True),
        dict(optim_wrapper__type='AmpOptimWrapper', optim_wrapper__loss_scale='dynamic', channels_last=True),
        dict(optim_wrapper__type='AmpOptimWrapper', optim_wrapper__dtype='bfloat16'),
        dict(compile=True),
    ],
    ids=['closed form', 'float16', 'bfloat16', 'inductor'],
)
def test_a_protocol_is_learned(options: dict[str, Any], tmp_path: Path) -> None:
    results = IncrementalRunner.from_cfg(smoke_config(tmp_path / 'run', **options)).train()
    assert len(results) == 2
