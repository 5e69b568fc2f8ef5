"""Edits of plain model configs."""

from __future__ import annotations

import copy

import pytest

from mmciss.engine.model_config import drop_class_weights, replace_main_loss, strip_pretrained
from mmciss.errors import ConfigError
from mmciss.models.classifiers.head_config import heads_of, segmentation_heads, set_num_classes

CE = dict(type='CrossEntropyLoss', loss_weight=1.0)
MODEL = dict(
    type='EncoderDecoder',
    pretrained='somewhere',
    backbone=dict(type='ResNet', init_cfg=dict(type='Pretrained', checkpoint='x')),
    decode_head=[
        dict(type='FCNHead', num_classes=21, loss_decode=CE),
        dict(
            type='OCRHead',
            num_classes=21,
            loss_decode=[dict(type='OhemCrossEntropy', loss_weight=0.5), dict(type='DiceLoss')],
        ),
    ],
    auxiliary_head=[
        dict(type='FCNHead', num_classes=21, loss_decode=dict(CE, loss_weight=0.4, loss_name='loss_aux')),
        dict(type='STDCHead', num_classes=2, loss_decode=CE),
    ],
)


def model() -> dict:
    return copy.deepcopy(MODEL)


def test_every_head_is_found_but_a_boundary_head_does_not_grow() -> None:
    assert [key for key, _ in heads_of(MODEL)] == [
        'model.decode_head[0]',
        'model.decode_head[1]',
        'model.auxiliary_head[0]',
        'model.auxiliary_head[1]',
    ]
    config = model()
    set_num_classes(config, 7)
    assert [head['num_classes'] for _, head in heads_of(config)] == [7, 7, 7, 2]


def test_main_loss_replaces_cross_entropies_and_keeps_their_weights() -> None:
    config = model()
    replace_main_loss(config, dict(type='Mine', num_groups=3))
    assert config['decode_head'][0]['loss_decode'] == dict(type='Mine', num_groups=3, loss_weight=1.0)
    first, second = config['decode_head'][1]['loss_decode']
    assert first == dict(type='Mine', num_groups=3, loss_weight=0.5)
    assert second == dict(type='DiceLoss')
    assert config['auxiliary_head'][0]['loss_decode'] == dict(
        type='Mine', num_groups=3, loss_weight=0.4, loss_name='loss_aux'
    )
    assert config['auxiliary_head'][1]['loss_decode'] == CE, 'a boundary head keeps its own loss'


def test_default_loss_of_a_head_is_replaced_too() -> None:
    config = dict(decode_head=dict(type='FCNHead', num_classes=3))
    replace_main_loss(config, dict(type='Mine'))
    assert config['decode_head']['loss_decode']['type'] == 'Mine'


def test_a_head_of_heads_has_its_loss_in_the_first_inner_head() -> None:
    inner = dict(type='FCNHead', num_classes=3, loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.5))
    model = dict(
        decode_head=dict(
            type='IterativeDecodeHead',
            kernel_generate_head=inner,
            kernel_update_head=[dict(type='KernelUpdateHead', num_classes=3)],
        )
    )
    replace_main_loss(model, dict(type='UnbiasedCrossEntropyLoss'))
    assert inner['loss_decode'] == dict(type='UnbiasedCrossEntropyLoss', loss_weight=0.5)
    assert 'loss_decode' not in model['decode_head'], 'it takes none'


def test_a_head_without_cross_entropy_is_refused() -> None:
    config = dict(decode_head=dict(type='FCNHead', num_classes=3, loss_decode=dict(type='DiceLoss')))
    with pytest.raises(ConfigError, match=r'method.main_loss: model.decode_head.loss_decode holds no loss'):
        replace_main_loss(config, dict(type='Mine'))


def test_binary_heads_and_headless_models_are_refused() -> None:
    with pytest.raises(ConfigError, match='out_channels=1'):
        segmentation_heads(dict(decode_head=dict(type='FCNHead', num_classes=2, out_channels=1)))
    with pytest.raises(ConfigError, match='has no decode_head'):
        segmentation_heads(dict(type='Depther'))


def test_pretrained_weights_are_stripped_everywhere() -> None:
    config = model()
    strip_pretrained(config)
    assert 'pretrained' not in config
    assert config['backbone']['init_cfg'] is None
    config = dict(init_cfg=[dict(type='Normal'), dict(type='Pretrained', checkpoint='x')])
    strip_pretrained(config)
    assert config['init_cfg'] == [dict(type='Normal')]


def test_wrappers_that_download_by_themselves_are_told_not_to() -> None:
    config = dict(type='EncoderDecoder', backbone=dict(type='TIMMBackbone', model_name='resnet10t', pretrained=True))
    strip_pretrained(config)
    assert config['backbone'] == dict(type='TIMMBackbone', model_name='resnet10t', pretrained=False)
    config = dict(type='EncoderDecoder', backbone=dict(type='ResNet', depth=18, pretrained='path'))
    strip_pretrained(config)
    assert config['backbone'] == dict(type='ResNet', depth=18)


def test_lists_of_class_weights_are_dropped_unless_they_grow() -> None:
    weighted = dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0])
    config = dict(
        decode_head=[
            dict(type='FCNHead', num_classes=2, loss_decode=[weighted, dict(type='DiceLoss')]),
            dict(type='FCNHead', num_classes=2, loss_decode=dict(type='CrossEntropyLoss', class_weight='file.npy')),
        ]
    )
    assert drop_class_weights(config) == 1
    assert config['decode_head'][0]['loss_decode'] == [dict(type='CrossEntropyLoss'), dict(type='DiceLoss')]
    assert config['decode_head'][1]['loss_decode']['class_weight'] == 'file.npy' and drop_class_weights(config) == 0
