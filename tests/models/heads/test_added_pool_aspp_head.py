"""The MiB family's head, layer by layer, and in a model that grows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

import mmciss.register_all
from mmciss.models.classifiers import find_growable
from mmciss.models.heads import AddedPoolASPPHead
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.structures.parallel_branches import ParallelConv
from mmciss.models.teacher import build_teacher
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER, batch
from tests.paths import ROOT

OPTIONS = dict(
    in_channels=6,
    channels=4,
    num_classes=3,
    dilations=(1, 2, 3),
    norm_cfg=dict(type='BN'),
    act_cfg=dict(type='LeakyReLU', negative_slope=0.01),
)


def head(**changes: Any) -> AddedPoolASPPHead:
    """Builds a head with statistics that are not neutral."""
    torch.manual_seed(0)
    found = AddedPoolASPPHead(**{**OPTIONS, **changes}).double().eval()
    for name, tensor in found.state_dict().items():
        if 'running' in name:
            tensor.uniform_(0.5, 2.0)
    return found


def activated(x: Tensor, norm: nn.Module, slope: float) -> Tensor:
    if norm.training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    else:
        mean, var = norm.running_mean, norm.running_var
    x = (x - mean.view(1, -1, 1, 1)) / (var.view(1, -1, 1, 1) + norm.eps).sqrt()
    x = x * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
    return torch.where(x > 0, x, slope * x)


def by_hand(net: AddedPoolASPPHead, x: Tensor, pooled: Tensor, slope: float) -> Tensor:
    branches = []
    for dilation, branch in zip((1, 2, 3), net.pyramid, strict=False):
        padding = 0 if dilation == 1 else dilation
        assert branch.conv.weight.shape[-1] == (1 if dilation == 1 else 3)
        branches.append(activated(F.conv2d(x, branch.conv.weight, None, 1, padding, dilation), branch.bn, slope))
    y = F.conv2d(torch.cat(branches, 1), net.reduce.weight)
    z = activated(F.conv2d(pooled, net.pooled.conv.weight), net.pooled.bn, slope)
    return activated(y + F.conv2d(z, net.pooled_reduce.weight), net.norm, slope)


@pytest.mark.parametrize('slope', [0.01, 1.0])
@pytest.mark.parametrize('training', [True, False])
def test_layers(slope: float, training: bool) -> None:
    """A slope of 1 means no activation, as in SDR."""
    net = head(**(dict(act_cfg=None) if slope == 1 else {})).train(training)
    net.dropout = None
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    embedding = by_hand(net, x, x.mean((2, 3), keepdim=True), slope)
    torch.testing.assert_close(net([x]), net.conv_seg(embedding))


def test_window_of_the_pool_in_tests() -> None:
    """As on the crops of training, and as local on larger images; only rims repeat."""
    net, x = head(pool_size=3), torch.randn(1, 6, 5, 4, dtype=torch.float64)
    pooled = torch.stack(
        [
            torch.stack(
                [
                    x[
                        ...,
                        min(max(i, 1), 3) - 1 : min(max(i, 1), 3) + 2,
                        min(max(j, 1), 2) - 1 : min(max(j, 1), 2) + 2,
                    ].mean((2, 3))
                    for j in range(4)
                ],
                -1,
            )
            for i in range(5)
        ],
        -2,
    )
    torch.testing.assert_close(net.embed(x), by_hand(net, x, pooled, 0.01))
    whole, even = head(pool_size=32), head(pool_size=4)
    torch.testing.assert_close(whole.embed(x), by_hand(whole, x, x.mean((2, 3), keepdim=True), 0.01))
    assert even.embed(x).shape[-2:] == (5, 4)
    same = head(pool_size=None)
    torch.testing.assert_close(whole.embed(x), same.embed(x))


def test_weights_start_as_in_the_releases() -> None:
    torch.manual_seed(0)
    options = {**OPTIONS, 'in_channels': 64, 'channels': 64}
    net, plain = AddedPoolASPPHead(**options), AddedPoolASPPHead(**options, initialisation='torch')
    for module in (net, plain):
        module.init_weights()
    gain = (2 / (1 + 0.01**2)) ** 0.5
    for conv, fans in ((net.reduce, 4 * 64), (net.pyramid[1].conv, 2 * 9 * 64), (net.pooled.conv, 2 * 64)):
        assert conv.weight.std().item() == pytest.approx(gain * (2 / fans) ** 0.5, rel=0.05)
    for conv, fan_in in ((plain.reduce, 3 * 64), (plain.pyramid[1].conv, 9 * 64), (net.conv_seg, 64)):
        assert conv.weight.abs().max() <= fan_in**-0.5
        assert conv.weight.std().item() == pytest.approx(fan_in**-0.5 / 3**0.5, rel=0.15)
    assert net.conv_seg.bias.abs().max() > 0
    with pytest.raises(ValueError, match="initialisation must be one of .*'ones'"):
        AddedPoolASPPHead(**options, initialisation='ones')


def test_it_grows() -> None:
    assert find_growable(dict(type='AddedPoolASPPHead', **OPTIONS)) == ['conv_seg']


@pytest.fixture(scope='module')
def networks() -> dict[str, ConfigDict]:
    """The published networks, narrow and shallow."""
    init_default_scope('mmseg')
    found = {}
    for name in ('deeplabv3-added-pool_r101-d16', 'deeplabv3-added-pool-linear_r101-d16'):
        model = Config.fromfile(ROOT / 'configs' / '_base_' / 'models' / f'{name}.py').model
        model.backbone.update(depth=50, base_channels=4, stem_channels=4, init_cfg=None, norm_cfg=dict(type='BN'))
        model.decode_head.update(in_channels=128, channels=8, norm_cfg=dict(type='BN'), num_classes=3)
        found[name] = model
    return found


@pytest.mark.parametrize('name', ['deeplabv3-added-pool_r101-d16', 'deeplabv3-added-pool-linear_r101-d16'])
def test_the_published_networks_teach_and_are_exported(networks: dict, name: str, tmp_path: Any) -> None:
    """Two steps with every kind of loss: maps before and after activations, embedding, logits, parallel branches."""
    structure = dict(type='ParallelBranches', convolutions={'backbone.*': 3, 'decode_head.pyramid.*': (1, 3)})
    before = IncrementalSegmentor(networks[name], BASE, structure=structure)
    before.init_weights()
    doubled = [path for path, layer in before.named_modules() if isinstance(layer, ParallelConv)]
    assert len([path for path in doubled if 'decode_head.pyramid' in path]) == 4 and len(doubled) == 16 + 4
    inputs, samples = batch(side=64)
    plain = MODELS.build(ConfigDict(before.segmentor.build_config))
    plain.load_state_dict(before.plain_weights(), strict=True)
    torch.testing.assert_close(
        plain.eval()(inputs, mode='tensor'), before.eval()(inputs, mode='tensor'), rtol=1e-3, atol=1e-4
    )  # a merged branch is the average up to rounding
    save_tensors(tmp_path / 'model.pth', {'state_dict': before.plain_weights()})
    save_tensors(tmp_path / 'state.pth', before.method_state())
    network = ConfigDict(networks[name])
    network.decode_head.num_classes = 5
    losses = dict(
        pod=dict(type='LocalPODLoss'),
        cube=dict(type='PooledCubeLoss'),
        kd=dict(type='UnbiasedDistillationLoss', loss_weight=10.0),
        latent=dict(type='PrototypeLoss'),
    )
    model = IncrementalSegmentor(
        network,
        LATER,
        losses=losses,
        initializer=dict(type='BackgroundInitializer'),
        structure=structure,
        previous={key: str(tmp_path / f'{key}.pth') for key in ('model', 'state')},
    )
    model.init_weights()
    model.set_teacher(build_teacher(model, 'cpu'))
    found = model.train().loss(inputs, samples)
    assert {'loss_pod', 'loss_cube', 'loss_kd', 'loss_latent', 'decode.loss_ce'} <= found.keys()
    sum(value for key, value in found.items() if 'loss' in key).backward()
    learning = [parameter for parameter in model.segmentor.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in learning)
