"""Tests of attribution and of the choice of channels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import (
    attribution_scores,
    integrated_gradients,
    linear_attribution,
    masked_sum,
    select_channels,
    upsampling_gain,
)
from tests.functional import closed_form as cf
from tests.functional.choices import assert_same_choice


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mask = torch.zeros(3, 4, 4, dtype=torch.bool)
    mask[0, :2] = mask[1, 1, 1] = True
    return (
        cf.wave((3, 256, 4, 4), 0.017, 0.2).relu(),
        cf.wave((1, 256, 4, 4), 0.019, 0.5).relu(),
        cf.wave((256,), 0.9, 0.1, 0.06),
        mask,
    )


def scores_of(
    f: Tensor, f0: Tensor, w: Tensor, mask: Tensor, gain: float | Tensor = 1.0, mode: str = 'max_of_mean'
) -> Tensor:
    return attribution_scores(*masked_sum(linear_attribution(f, f0, w, gain), mask, mode))


def test_golden_values() -> None:
    scores = scores_of(*inputs(), gain=256.0)
    assert scores.argmax() == 120 and cf.near(scores.max(), 41.927933)
    ranked = scores.sort(descending=True).values
    assert cf.near(ranked[63], 7.019796) and cf.near(ranked[64], 6.776032)
    chosen = select_channels(scores).nonzero().flatten()
    assert chosen.sum() == 7511 and chosen[:8].tolist() == [8, 9, 20, 29, 30, 40, 41, 46]


@pytest.mark.parametrize('align_corners', [False, True])
def test_equals_integrated_gradients(align_corners: bool) -> None:
    """The path integral, step by step, of the upsampled background logit's sum over the image."""
    f, f0, w, _ = (t.double() for t in inputs())
    f, f0, w = f[:2, :5], f0[:, :5], w[:5]
    gradients = torch.zeros_like(f)
    for alpha in torch.linspace(0.05, 0.95, 10):
        x = (f0 + alpha * (f - f0)).requires_grad_(True)
        logit = F.interpolate(F.conv2d(x, w.view(1, -1, 1, 1)), (13, 9), mode='bilinear', align_corners=align_corners)
        gradients += torch.autograd.grad(logit.sum(), x)[0] / 10
    expected = ((f - f0) * gradients).mean(0).amax((1, 2))
    gain = upsampling_gain((4, 4), (13, 9), align_corners).double()
    found = scores_of(f, f0, w, torch.ones(2, 4, 4), gain)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_batches_add_up() -> None:
    f, f0, w, mask = inputs()
    parts = [masked_sum(linear_attribution(f[i : i + 1], f0, w), mask[i : i + 1]) for i in range(3)]
    total, count = (sum(part) for part in zip(*parts, strict=True))
    assert count == 2
    torch.testing.assert_close(attribution_scores(total, count), scores_of(f, f0, w, mask))


def test_modes() -> None:
    f, f0, w, mask = inputs()
    attribution = [(f[i] - f0[0]) * w.view(-1, 1, 1) * mask[i] for i in (0, 1)]
    found = scores_of(f, f0, w, mask, mode='mean_of_max')
    torch.testing.assert_close(found, sum(a.amax((1, 2)) for a in attribution) / 2)
    found = scores_of(f, f0, w, mask, mode='mean_of_mean')
    torch.testing.assert_close(found, sum(a.mean((1, 2)) for a in attribution) / 2)
    with pytest.raises(ValueError, match="'mean'.*max_of_mean"):
        scores_of(f, f0, w, mask, mode='mean')


def test_mask_at_the_size_of_the_labels_and_empty_masks() -> None:
    f, f0, w, mask = inputs()
    large = mask.repeat_interleave(4, 1).repeat_interleave(4, 2)
    torch.testing.assert_close(scores_of(f, f0, w, large), scores_of(f, f0, w, mask))
    assert not scores_of(f, f0, w, mask & False).any()


def test_upsampling_gain() -> None:
    assert torch.equal(upsampling_gain((32, 32), (512, 512)), torch.full((32, 32), 256.0))
    low, high = upsampling_gain((33, 33), (513, 513)).aminmax()
    assert low == pytest.approx(241.2, abs=0.1) and high == pytest.approx(242.2, abs=0.1)


def test_equals_the_captum_package() -> None:
    """Integrated gradients of a whole network, layer input attributed, as AWT's release runs them."""
    attr = pytest.importorskip('captum.attr', reason='captum is not installed')
    torch.manual_seed(0)
    trunk = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, 4, 1), torch.nn.ReLU()).double()
    head = torch.nn.Conv2d(16, 4, 1).double()

    def background_sum(image: Tensor) -> Tensor:
        logits = F.interpolate(head(trunk(image)), (32, 32), mode='bilinear', align_corners=False)
        return logits[:, 0].sum((1, 2))

    image, mask = torch.randn(2, 3, 32, 32).double(), torch.rand(2, 8, 8) > 0.5
    method = attr.LayerIntegratedGradients(background_sum, head)
    attribution = method.attribute(image, torch.zeros_like(image), n_steps=20, attribute_to_layer_input=True)
    expected = (attribution * mask.unsqueeze(1)).mean(0).amax((1, 2))
    with torch.no_grad():
        f, f0 = trunk(image), trunk(torch.zeros(1, 3, 32, 32).double())
        found = scores_of(f, f0, head.weight[0], mask, upsampling_gain((8, 8), (32, 32)))
    torch.testing.assert_close(found, expected.detach())
    assert_same_choice(select_channels(found), select_channels(expected), expected, 1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize('fraction, count', [(0.1, 26), (0.25, 64), (0.5, 128), (0.75, 192), (1, 256), (1e-6, 1)])
def test_counts_of_the_paper(fraction: float, count: int) -> None:
    scores = torch.randn(256, generator=torch.Generator().manual_seed(0))
    mask = select_channels(scores, fraction)
    assert mask.dtype == torch.bool and mask.sum() == count
    assert count == 256 or scores[mask].min() > scores[~mask].max()


def test_one_choice_per_class_and_ties_in_channel_order() -> None:
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 3.0, -9.0, 2.0]])
    assert select_channels(scores, 0.5).tolist() == [[True, True, False, False], [False, True, False, True]]


@pytest.mark.parametrize('fraction', [0, -0.1, 25])
def test_fraction_outside_its_range(fraction: float) -> None:
    with pytest.raises(ValueError, match='fraction'):
        select_channels(torch.zeros(4), fraction)


def cubic(x: Tensor) -> Tensor:
    return (x**3).sum(1) + x[:, 0] * x[:, 1]


def test_one_step_is_exact_for_a_linear_function() -> None:
    weight = torch.tensor([1.0, -2.0, 3.0])
    x, x0 = torch.randn(4, 3), torch.randn(1, 3)
    found = integrated_gradients(lambda point: point @ weight, x, x0, steps=1)
    torch.testing.assert_close(found, (x - x0) * weight)


def test_attributions_add_up_and_equal_the_package() -> None:
    torch.manual_seed(0)
    x, x0 = torch.randn(4, 3).double(), torch.randn(1, 3).double()
    found = integrated_gradients(cubic, x, x0, steps=400)
    torch.testing.assert_close(found.sum(1), cubic(x) - cubic(x0), rtol=1e-4, atol=1e-4)
    attr = pytest.importorskip('captum.attr', reason='captum is not installed')
    expected = attr.IntegratedGradients(cubic).attribute(x, x0.expand_as(x), n_steps=50)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_works_where_gradients_are_off_and_leaves_inputs_alone() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    with torch.no_grad():
        found = integrated_gradients(cubic, x, torch.zeros(1, 3), steps=8)
    assert not found.requires_grad and x.grad is None


def test_steps_must_be_positive() -> None:
    with pytest.raises(ValueError, match='steps: 0'):
        integrated_gradients(cubic, torch.ones(1, 3), torch.zeros(1, 3), steps=0)
