from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers import GrowableConv2d, GrowableLinear, grow_layer, grow_segmentor, growing_heads
from tests.models import refused_head  # noqa: F401
from tests.models.tiny_heads import head, tiny_batch, tiny_segmentor


def build(config: dict) -> nn.Module:
    torch.manual_seed(0)
    return MODELS.build(config)


def test_a_grown_layer_takes_rows_over_and_draws_only_the_rest() -> None:
    plain = nn.Conv2d(4, 3, 3, padding=1, bias=False).double().eval()
    grown = grow_layer(plain, (3, 2))
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    assert torch.equal(grown.weight[:3], plain.weight) and grown(x).shape[1] == 5
    # A convolution with more outputs may take another kernel: sums of 36 products in another order.
    torch.testing.assert_close(grown(x)[:, :3], plain(x), rtol=1e-12, atol=1e-14)
    assert isinstance(grown, GrowableConv2d) and grown.bias is None and not grown.training
    assert isinstance(grow_layer(nn.Linear(4, 3), (2, 1)), GrowableLinear)


def test_rows_must_end_with_a_step() -> None:
    with pytest.raises(ValueError, match=r'4 channels.*\(3, 2\)'):
        grow_layer(nn.Conv2d(2, 4, 1), (3, 2))


def test_growing_a_full_layer_draws_no_random_numbers() -> None:
    layer = nn.Conv2d(4, 3, 1)
    state = torch.random.get_rng_state()
    grow_layer(layer, (2, 1), auxiliary=1)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize('name, auxiliary', [('FCNHead', True), ('OCRHead', True), ('DAHead', False)])
def test_every_head_grows_and_knows_its_width(name: str, auxiliary: bool) -> None:
    config = tiny_segmentor(name, 3, auxiliary)
    model = build(config)
    names = grow_segmentor(model, config, (3, 2))
    assert ('auxiliary_head.conv_seg' in names) == auxiliary
    for part in (model, *growing_heads(model).values()):
        assert part.num_classes == part.out_channels == 5
    inputs, samples = tiny_batch(5)  # labels of new classes reach every head
    losses = model.train().loss(inputs, samples)
    assert all(torch.isfinite(value).all() for value in losses.values())


def test_a_list_of_auxiliary_heads_grows_but_a_boundary_head_does_not() -> None:
    config = tiny_segmentor('FCNHead', 5)
    boundary = head(
        'STDCHead', in_channels=16, in_index=1, num_convs=1, concat_input=False, num_classes=2, boundary_threshold=0.1
    )
    config.auxiliary_head = [head('FCNHead', num_classes=5), boundary]
    model = build(config)
    names = grow_segmentor(model, config, (4, 1))
    assert names == ['decode_head.conv_seg', 'auxiliary_head.0.conv_seg']
    assert type(model.auxiliary_head[1].conv_seg) is nn.Conv2d
    assert model.auxiliary_head[1].num_classes == 2


def test_slide_inference_gives_all_classes() -> None:
    config = tiny_segmentor('FCNHead', 3)
    config.test_cfg = dict(mode='slide', crop_size=(32, 32), stride=(24, 24))
    model = build(config).eval()
    grow_segmentor(model, config, (3, 2))
    inputs, samples = tiny_batch(5, images=1)
    assert model.predict(inputs, samples)[0].seg_logits.data.shape[0] == 5


def test_auxiliary_channels_belong_to_the_last_decode_head_only() -> None:
    config = tiny_segmentor('OCRHead', 3, auxiliary=True)
    model = build(config)
    grow_segmentor(model, config, (3,), auxiliary=1)
    assert [name for name, _ in model.named_parameters() if '.auxiliary.' in name] == [
        'decode_head.1.conv_seg.auxiliary.weight',
        'decode_head.1.conv_seg.auxiliary.bias',
    ]


def test_auxiliary_channels_need_one_classifier() -> None:
    config = tiny_segmentor('IterativeDecodeHead', 3)
    with pytest.raises(ConfigError, match='method.classifier.auxiliary=1.*IterativeDecodeHead'):
        grow_segmentor(build(config), config, (3,), auxiliary=1)


def test_nothing_is_changed_when_one_head_cannot_grow() -> None:
    config = tiny_segmentor('FCNHead', 3)
    config.auxiliary_head = head('NormOverClassesHead', num_classes=3)
    model = build(config)
    with pytest.raises(ConfigError, match='model.auxiliary_head: NormOverClassesHead'):
        grow_segmentor(model, config, (3, 1))
    assert type(model.decode_head.conv_seg) is nn.Conv2d and model.num_classes == 3


def test_class_weights_of_the_old_length_are_refused() -> None:
    config = tiny_segmentor('FCNHead', 3)
    config.decode_head.loss_decode = dict(type='CrossEntropyLoss', class_weight=[1.0] * 3)
    with pytest.raises(ConfigError, match='model.decode_head: class_weight'):
        grow_segmentor(build(config), config, (3, 1))


def test_domain_steps_without_channels() -> None:
    config = tiny_segmentor('FCNHead', 3)
    model = build(config)
    grow_segmentor(model, config, (3, 0, 0))
    assert model.decode_head.conv_seg.out_channels == 3
