from __future__ import annotations

import math

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.models.initializers import AttributionInitializer
from mmciss.models.step_context import StepContext
from tests.models.initializers.samples import classifier_of, later_step

UNION = torch.tensor([1, 0, 1, 0, 0, 1], dtype=torch.bool)
BY_CLASS = torch.stack([UNION, ~UNION])


def start(rule: str, mask: object, name: str = '', **options: str) -> tuple[torch.Tensor, ...]:
    """Returns weight and bias before and after."""
    torch.manual_seed(0)
    step = later_step(2)
    classifier = classifier_of(step)
    before = classifier.weight.detach().clone(), classifier.bias.detach().clone()
    context = StepContext(step, statistics={'channel_mask': mask})
    AttributionInitializer(rule=rule, **options)(classifier, context, name)
    return *before, classifier.weight.detach(), classifier.bias.detach()


@pytest.mark.parametrize('mask', [UNION, BY_CLASS, UNION[:, None, None], BY_CLASS[..., None, None]])
def test_add_gives_random_rows_the_chosen_background_weights(mask: torch.Tensor) -> None:
    weight, bias, after, after_bias = start('add', mask)
    second = UNION if mask.shape[0] == 6 else ~UNION
    for row, chosen in ((4, UNION), (5, second)):
        wanted = weight[row, :, 0, 0] + chosen * weight[0, :, 0, 0]
        assert torch.allclose(after[row, :, 0, 0], wanted)
    assert torch.equal(after[:4], weight[:4])
    assert torch.equal(after_bias, bias)  # as in the released runs, biases stay


def test_copy_keeps_random_weights_only_where_the_mask_is_zero() -> None:
    weight, _, after, _ = start('copy', UNION)
    assert torch.equal(after[4, UNION], weight[0, UNION])
    assert torch.equal(after[4, ~UNION], weight[4, ~UNION])


def test_orig_is_the_background_row_and_needs_no_mask() -> None:
    weight, bias, after, after_bias = start('orig', None, bias='divide')
    assert torch.equal(after[4], weight[0]) and torch.equal(after[5], weight[0])
    assert after_bias[[0, 4, 5]].tolist() == pytest.approx([bias[0].item() - math.log(3)] * 3)


def test_masks_by_classifier_name() -> None:
    weight, _, after, _ = start('add', {'decode_head.conv_seg': UNION}, name='decode_head.conv_seg')
    assert torch.allclose(after[4, :, 0, 0], weight[4, :, 0, 0] + UNION * weight[0, :, 0, 0])


@pytest.mark.parametrize('mask', [UNION, {'decode_head.conv_seg': UNION}])
def test_an_auxiliary_head_without_a_mask_starts_as_in_mib(mask: object) -> None:
    weight, bias, after, after_bias = start('add', mask, name='auxiliary_head.conv_seg')
    assert torch.equal(after[4], weight[0])
    assert after_bias[4].item() == pytest.approx(bias[0].item() - math.log(3))


def test_a_missing_mask_is_an_error_and_not_a_random_start() -> None:
    step = later_step(1)
    with pytest.raises(ConfigError, match="method.statistics: .*'channel_mask'.*thresholds"):
        AttributionInitializer()(classifier_of(step), StepContext(step, statistics={'thresholds': 1}))


def test_a_mask_of_another_shape() -> None:
    with pytest.raises(ConfigError, match=r'shape \(1, 5\).*\(6,\)'):
        start('add', UNION[:5])


def test_the_auxiliary_channel_as_source() -> None:
    torch.manual_seed(0)
    step = later_step(2)
    classifier = classifier_of(step, auxiliary=1)
    before = classifier.weight.detach().clone()
    row, bias = classifier.auxiliary.weight[0].detach(), classifier.auxiliary.bias[0].detach()
    initializer = AttributionInitializer(rule='copy', bias='copy', source='auxiliary')
    assert initializer.needs_auxiliary
    initializer(classifier, StepContext(step, statistics={'channel_mask': UNION}))
    after = classifier.weight.detach()
    assert torch.equal(after[5, UNION], row[UNION]) and torch.equal(after[5, ~UNION], before[5, ~UNION])
    assert classifier.bias[4:].tolist() == [bias.item()] * 2
    # A classifier without such a channel, that of an auxiliary head, starts as in MiB.
    classifier = classifier_of(step)
    weight = classifier.weight.detach().clone()
    initializer(classifier, StepContext(step, statistics={'channel_mask': UNION}))
    assert torch.equal(classifier.weight[4], weight[0])


@pytest.mark.parametrize(
    'options', [dict(rule='multiply'), dict(bias='shift'), dict(source='x'), dict(source='auxiliary', bias='divide')]
)
def test_unknown_rules(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match='method.initializer'):
        AttributionInitializer(**options)
