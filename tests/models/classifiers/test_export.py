from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from mmciss.models.classifiers import (
    GrowableConv1d,
    GrowableConv2d,
    GrowableLinear,
    grow_segmentor,
    plain_model_cfg,
    plain_state_dict,
)
from mmciss.models.classifiers.export import plain_layers
from tests.models.tiny_heads import tiny_batch, tiny_segmentor

PLAIN = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'mmciss':
            raise ImportError('mmciss must not be needed')
sys.meta_path.insert(0, Block())
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
torch.set_num_threads(1)
register_all_modules()
for folder in sys.argv[1:]:
    model = MODELS.build(Config.fromfile(folder + '/model_config.py').model).eval()
    load_checkpoint(model, folder + '/model.pth', strict=True)
    with torch.no_grad():
        logits = model(torch.load(folder + '/inputs.pth'))
    torch.save(logits, folder + '/logits.pth')
assert 'mmciss' not in sys.modules
"""


def grown(name: str, auxiliary: bool = False) -> tuple[Config, nn.Module]:
    """A segmentor at its third step and its config."""
    torch.manual_seed(0)
    config = tiny_segmentor(name, 3, auxiliary)
    model = MODELS.build(config)
    grow_segmentor(model, config, (3, 1, 2))
    return config, model.eval()


@pytest.mark.slow
def test_plain_mmsegmentation_gives_identical_logits_without_mmciss(tmp_path: Path) -> None:
    wanted = {}
    for name in ('ASPPHead', 'DAHead', 'IterativeDecodeHead', 'OCRHead', 'SegformerHead', 'UPerHead'):
        config, model = grown(name)
        folder = tmp_path / name
        folder.mkdir()
        inputs, _ = tiny_batch(3, images=1)
        torch.save({'state_dict': plain_state_dict(model)}, folder / 'model.pth')
        torch.save(inputs, folder / 'inputs.pth')
        Config(dict(model=plain_model_cfg(config, 6))).dump(folder / 'model_config.py')
        with torch.no_grad():
            wanted[folder] = model(inputs)
    script = tmp_path / 'plain.py'
    script.write_text(PLAIN)
    subprocess.run([sys.executable, str(script), *map(str, wanted)], check=True, cwd=tmp_path, capture_output=True)
    for folder, logits in wanted.items():
        found = torch.load(folder / 'logits.pth')
        logits, found = (x if isinstance(x, tuple) else (x,) for x in (logits, found))
        assert all(torch.equal(a, b) for a, b in zip(logits, found, strict=True)), folder.name


def test_keys_stand_in_the_order_of_the_plain_model() -> None:
    _, model = grown('DAHead', auxiliary=True)
    plain = MODELS.build(tiny_segmentor('DAHead', 6, auxiliary=True))
    assert list(plain_state_dict(model)) == list(plain.state_dict())


def test_auxiliary_channels_are_left_out() -> None:
    config = tiny_segmentor('FCNHead', 3)
    model = MODELS.build(config)
    grow_segmentor(model, config, (3,), auxiliary=1)
    assert not any('auxiliary' in key for key in plain_state_dict(model))


def test_export_does_not_follow_later_training() -> None:
    _, model = grown('FCNHead')
    exported = plain_state_dict(model)['decode_head.conv_seg.weight']
    before = exported.clone()
    nn.init.zeros_(model.decode_head.conv_seg.steps[1].weight)
    assert torch.equal(exported, before) and not exported.requires_grad


def test_plain_config_sets_every_growing_head_and_replaces_our_losses() -> None:
    import mmciss.models.losses  # noqa: F401

    config = tiny_segmentor('OCRHead', 3, auxiliary=True)
    config.decode_head[1].loss_decode = [dict(type='UnbiasedCrossEntropyLoss', loss_weight=0.4), dict(type='DiceLoss')]
    plain = plain_model_cfg(config, 6)
    assert [head.num_classes for head in plain.decode_head] == [6, 6]
    assert plain.auxiliary_head.num_classes == 6
    assert plain.decode_head[1].loss_decode == [dict(type='CrossEntropyLoss', loss_weight=0.4), dict(type='DiceLoss')]
    assert config.decode_head[1].loss_decode[0].type == 'UnbiasedCrossEntropyLoss'


def test_plain_config_keeps_layers_of_ours_and_a_head_of_ours_loses_its_loss_alone() -> None:
    import mmciss.models  # noqa: F401

    config = tiny_segmentor('ASPPHead', 3)
    config.decode_head.update(type='ProjectedASPPHead', loss_decode=dict(type='UnbiasedCrossEntropyLoss'))
    plain = plain_model_cfg(config, 4).decode_head
    assert (plain.type, plain.num_classes, plain.loss_decode.type) == ('ProjectedASPPHead', 4, 'CrossEntropyLoss')


@pytest.mark.parametrize(
    ('make', 'plain'),
    [
        (lambda: GrowableConv2d(4, (3, 2), kernel_size=3, padding=1), nn.Conv2d),
        (lambda: GrowableConv1d(4, (3, 2)), nn.Conv1d),
        (lambda: GrowableLinear(4, (3, 2)), nn.Linear),
    ],
)
def test_what_happens_to_the_plain_layer_happens_to_the_growable_one(make, plain) -> None:
    model = nn.Module()
    model.inner = nn.Module()
    model.inner.classifier = grown = make()
    parameters = dict(grown.named_parameters())
    before = grown.weight.clone()
    with plain_layers(model):
        assert type(model.inner.classifier) is plain
        assert torch.equal(model.inner.classifier.weight, before)
        nn.init.constant_(model.inner.classifier.weight, 0.5)
        nn.init.constant_(model.inner.classifier.bias, -1.0)
    assert model.inner.classifier is grown
    assert grown.weight.unique().tolist() == [0.5] and grown.bias.unique().tolist() == [-1.0]
    assert all(parameter is parameters[name] for name, parameter in grown.named_parameters()), 'same parameters'
