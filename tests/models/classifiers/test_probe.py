from __future__ import annotations

from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers import probe
from mmciss.models.classifiers.grow import build_segmentor
from mmciss.models.classifiers.probe import find_growable, growing_layers, note_growable
from tests.models import refused_head  # noqa: F401

FCN = dict(type='FCNHead', in_channels=8, channels=4, num_classes=3)


def test_probing_neither_draws_random_numbers_nor_changes_the_config() -> None:
    config = dict(FCN)
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    assert find_growable(config) == ['conv_seg']
    assert torch.equal(torch.rand(1), wanted) and config == FCN


def test_boundary_channel_is_left_alone() -> None:
    from tests.models.tiny_heads import tiny_segmentor

    assert find_growable(tiny_segmentor('PIDHead', 5).decode_head) == ['conv_seg', 'p_cls_seg']


@pytest.mark.parametrize(
    'config, words',
    [
        (dict(FCN, type='NormOverClassesHead'), 'class_norm.weight'),
        (dict(FCN, num_classes=2, out_channels=1, threshold=0.5), 'binary'),
    ],
)
def test_heads_that_cannot_grow_are_named_with_what_can(config: dict, words: str) -> None:
    match = f'model.decode_head: {config["type"]}.*{words}'
    with pytest.raises(ConfigError, match=match) as caught:
        find_growable(config)
    assert 'FCNHead' in str(caught.value)


class Custom(nn.Module):
    """A head of a user, with classes in two ways."""

    def __init__(self, num_classes: int, kind: str) -> None:
        super().__init__()
        if kind == 'rows':
            self.anything = nn.Linear(4, num_classes, bias=False)
        elif kind == 'no-object':  # one more than the classes, as in MaskFormer
            self.cls_embed = nn.Linear(4, num_classes + 1)
        elif kind == 'columns':
            self.mix = nn.Linear(num_classes, 4)
        elif kind == 'norm':
            self.conv_seg = nn.Conv2d(4, num_classes, 1)
            self.norm = nn.BatchNorm2d(num_classes)
        elif kind == 'grouped':
            self.conv_seg = nn.Conv2d(num_classes, num_classes, 1, groups=num_classes)
        elif kind == 'names':
            for index in range(num_classes):
                setattr(self, f'class_{index}', nn.Linear(4, 1))
        else:
            self.constant = nn.Linear(4, 4)


MODELS.register_module(name='ProbedHead', module=Custom, force=True)


def test_own_heads_with_rows_grow() -> None:
    assert find_growable(dict(type='ProbedHead', num_classes=3, kind='rows')) == ['anything']


@pytest.mark.parametrize(
    'kind, words',
    [
        ('no-object', "'cls_embed.weight'"),
        ('columns', "'mix.weight'"),
        ('norm', "'norm.weight'"),
        ('grouped', "'conv_seg.weight'"),
        ('names', "'class_3.weight'.*absent"),
        ('constant', 'no layer of ProbedHead depends on num_classes=3'),
    ],
)
def test_anything_but_rows_is_refused(kind: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_growable(dict(type='ProbedHead', num_classes=3, kind=kind), 'model.auxiliary_head[1]')


def test_heads_that_differ_in_classes_and_loss_only_are_built_twice_in_all() -> None:
    built: list[int] = []

    class Counted(Custom):
        def __init__(self, num_classes: int, **options: Any) -> None:
            super().__init__(num_classes, 'rows')
            built.append(num_classes)

    MODELS.register_module(name='CountedHead', module=Counted, force=True)
    losses = dict(type='CrossEntropyLoss'), dict(type='UnbiasedCrossEntropyLoss'), [dict(type='DiceLoss')]
    for count, loss in zip((3, 5, 4), losses, strict=True):
        found = find_growable(dict(type='CountedHead', num_classes=count, loss_decode=loss))
        assert found == ['anything']
        found.clear()
    assert built == [3, 4], 'and no caller can change what the next one gets'
    find_growable(dict(type='CountedHead', num_classes=5, width=3))
    find_growable(dict(type='CountedHead', num_classes=5, loss_decode=dict(type='Own', num_classes=5)))
    assert built == [3, 4, 5, 6, 5, 6]
    MODELS.register_module(name='CountedHead', module=type('Another', (Counted,), {}), force=True)
    find_growable(dict(type='CountedHead', num_classes=3))
    assert built[6:] == [3, 4], 'another class under the same name'


@pytest.mark.parametrize('name', ['PIDHead', 'SegmenterMaskTransformerHead', 'UPerHead'])
def test_two_segmentors_tell_what_probing_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.models.tiny_heads import tiny_segmentor

    small, large = (tiny_segmentor(name, count) for count in (3, 7))
    wanted = growing_layers(small)
    monkeypatch.setattr(probe, '_FOUND', {})
    note_growable([build_segmentor(small), build_segmentor(large)])
    monkeypatch.setattr(probe, '_build', lambda head: pytest.fail(f'{head["type"]} is built to be compared'))
    assert growing_layers(small) == growing_layers(large) == wanted


def test_what_two_segmentors_cannot_tell_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, '_FOUND', {})
    models = [nn.Module(), nn.Module()]
    for model, kind in zip(models, ('rows', 'columns'), strict=True):
        head = dict(type='ProbedHead', num_classes=3 + len(kind), kind=kind)
        model.decode_head, model.build_config = Custom(head['num_classes'], kind), dict(decode_head=head)
    note_growable(models)
    models[1].build_config['decode_head']['kind'] = 'rows'
    note_growable([models[0], models[0]])
    note_growable(models)
    assert not probe._FOUND


def test_layers_of_a_segmentor_are_named_as_in_its_weights() -> None:
    model = dict(decode_head=[dict(FCN), dict(FCN, channels=8)], auxiliary_head=dict(FCN, num_classes=3))
    assert growing_layers(model) == ['auxiliary_head.conv_seg', 'decode_head.0.conv_seg', 'decode_head.1.conv_seg']
    refused = dict(model, auxiliary_head=dict(FCN, type='NormOverClassesHead'))
    with pytest.raises(ConfigError, match='model.auxiliary_head: NormOverClassesHead cannot learn further classes'):
        growing_layers(refused)
