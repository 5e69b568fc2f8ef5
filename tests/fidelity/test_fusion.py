"""EWF's recipe against its formulas: two later steps from the base step on, computed twice."""
from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmciss.engine.schedule import StepPlan
from mmciss.engine.step_config import StepFiles, make_step_config
from mmciss.models.building import build_teacher
from mmciss.utils.files import save_tensors
from tests.configs.user_configs import protocol_of
from tests.paths import ROOT

TOLERANCE = dict(rtol=1e-8, atol=1e-12)
RATE, UPDATES = 0.05, 2
ROWS = {'weight': 'decode_head.conv_seg.weight', 'bias': 'decode_head.conv_seg.bias'}


def small_recipe(name: str) -> Config:
    """Returns the recipe with a network of a few thousand weights, in full precision."""
    cfg = Config.fromfile(ROOT / 'configs' / 'recipes' / f'{name}.py')
    cfg.model.backbone.update(depth=18, base_channels=4, init_cfg=None)
    cfg.model.decode_head.update(in_channels=32, channels=8)
    for part in (cfg.model.backbone, cfg.model.decode_head):
        part.norm_cfg = dict(part.norm_cfg, type='BN')
    assert cfg.optim_wrapper.pop('loss_scale') == 'dynamic' and cfg.optim_wrapper.type == 'AmpOptimWrapper'
    cfg.optim_wrapper.type = 'OptimWrapper'
    return cfg


def batch(channels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws images and labels: void, old classes, new classes."""
    torch.manual_seed(seed)
    labels = torch.randint(0, channels, (2, 4, 4)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[:, :9, :7], labels[:, 20:30] = 255, channels - 1
    return torch.randn(2, 3, 32, 32), labels


def samples_of(labels: Tensor) -> list[SegDataSample]:
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo=dict(img_shape=label.shape, ori_shape=label.shape, pad_shape=label.shape))
        sample.gt_sem_seg = PixelData(data=label[None])
        samples.append(sample)
    return samples


def upsampled(model: nn.Module, images: Tensor) -> Tensor:
    return F.interpolate(model._forward(images), images.shape[-2:], mode='bilinear')


def loss_by_formula(scores: Tensor, taught: Tensor, labels: Tensor, factor: float) -> Tensor:
    """MiB's cross entropy and distillation, both means over all pixels, void counted."""
    old = taught.shape[1]
    chances = F.log_softmax(scores, 1).exp()
    hit = F.one_hot(labels.masked_fill(labels == 255, 0), chances.shape[1]).permute(0, 3, 1, 2)
    own = torch.where(labels < old, chances[:, :old].sum(1), (chances * hit).sum(1))
    entropy = torch.where(labels == 255, 0.0, -own.log())
    background = chances[:, :1] + chances[:, old:].sum(1, keepdim=True)
    student = torch.cat([background, chances[:, 1:old]], 1)
    distance = -(F.softmax(taught, 1) * student.log()).sum(1) / old
    return entropy.mean() + factor * distance.mean()


class OneStep:
    """A later step in two forms: as mmciss composes it, and as plain MMSegmentation with formulas around it."""

    def __init__(self, cfg: Config, index: int, old: dict[str, Tensor], folder: Path) -> None:
        step = protocol_of(cfg)[index]
        self.old, self.num_new, self.num_seen = old, step.num_new, step.num_seen
        save_tensors(folder / f'{index}.pth', {'state_dict': old})
        out = make_step_config(cfg, step, StepPlan(UPDATES, RATE), StepFiles(str(folder / f'{index}.pth')))
        out.model.data_preprocessor = None
        self.model = MODELS.build(out.model)
        self.model.init_weights()
        self.start = {name: tensor.clone() for name, tensor in self.model.plain_weights().items()}
        self.model.set_teacher(build_teacher(self.model, 'cpu'))
        self.optimizer = build_optim_wrapper(self.model, out.optim_wrapper)
        self.hook = HOOKS.build(next(hook for hook in out.custom_hooks if 'Fusion' in hook['type']))
        self.runner = SimpleNamespace(model=self.model, hooks=[], logger=logging.getLogger('fidelity'))
        self.plain = plain_network(cfg, self.num_seen)
        self.teacher = plain_network(cfg, self.num_seen - self.num_new).eval()
        self.teacher.load_state_dict(old)

    def start_by_formula(self) -> dict[str, Tensor]:
        """Each new row is the background's; the biases of both are lowered by log(N + 1)."""
        weights = dict(self.old)
        weight, bias = (weights[ROWS[key]] for key in ('weight', 'bias'))
        bias = bias.clone()
        bias[0] -= math.log(self.num_new + 1)
        weights[ROWS['weight']] = torch.cat([weight, *[weight[:1]] * self.num_new])
        weights[ROWS['bias']] = torch.cat([bias, *[bias[:1]] * self.num_new])
        return weights


def plain_network(cfg: Config, classes: int) -> nn.Module:
    options = cfg.model.to_dict()
    options.pop('data_preprocessor')
    options['decode_head']['num_classes'] = classes
    return MODELS.build(options)


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize(('name', 'factor'), [('ewf_voc_15-1', 10.0), ('ewf_ade_100-10', 100.0)])
def test_recipe_computes_the_formulas(name: str, factor: float, tmp_path: Path) -> None:
    with DefaultScope.overwrite_default_scope('mmseg'):
        cfg = small_recipe(name)
        torch.manual_seed(0)
        base = plain_network(cfg, protocol_of(cfg)[0].num_seen)
        base.init_weights()
        nn.init.normal_(base.decode_head.conv_seg.weight, std=0.5)
        nn.init.normal_(base.decode_head.conv_seg.bias)
        with torch.no_grad():
            base.train()._forward(batch(3, 9)[0])
        weights: dict[str, Tensor] = {key: value.clone() for key, value in base.state_dict().items()}
        for index in (1, 2):
            weights = check_step(OneStep(cfg, index, weights, tmp_path), factor)


def check_step(step: OneStep, factor: float) -> dict[str, Tensor]:
    """Compares a step from its start to its mixture, and returns what it left."""
    expected = step.start_by_formula()
    close(step.start, expected)
    step.plain.load_state_dict(expected)
    step.plain.train()
    step.model.train()
    head = step.plain.decode_head.conv_seg
    optimizer = torch.optim.SGD(step.plain.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=1e-4)
    step.hook.before_train(step.runner)
    known = step.num_seen - step.num_new
    for update in range(UPDATES):
        images, labels = batch(step.num_seen, update)
        found, _ = step.model.parse_losses(step.model.loss(images, samples_of(labels)))
        with torch.no_grad():
            taught = upsampled(step.teacher, images)
        wanted = loss_by_formula(upsampled(step.plain, images), taught, labels, factor)
        torch.testing.assert_close(found, wanted, **TOLERANCE)
        optimizer.zero_grad()
        wanted.backward()
        found.backward()
        compare_gradients(step, known)
        before = [parameter.detach().clone() for parameter in (head.weight, head.bias)]
        optimizer.step()
        with torch.no_grad():  # rows of earlier steps stay, the background's too
            for parameter, rows in zip((head.weight, head.bias), before):
                parameter[:known] = rows[:known]
        step.optimizer.step()
        step.optimizer.zero_grad()
    trained = step.plain.state_dict()
    close(step.model.plain_weights(), trained)
    step.hook.after_train(step.runner)
    beta = math.sqrt(step.num_new / step.num_seen)
    mixture = {}
    for key, tensor in trained.items():
        mixture[key] = tensor.clone()
        if tensor.is_floating_point():
            rows = slice(known) if key in ROWS.values() else slice(None)
            mixture[key][rows] = (1 - beta) * step.old[key] + beta * tensor[rows]
    left = step.model.plain_weights()
    close(left, mixture)
    bias, shift = ROWS['bias'], math.log(step.num_new + 1)
    torch.testing.assert_close(left[bias][0], step.old[bias][0] - beta * shift)
    torch.testing.assert_close(left[ROWS['weight']][:known], step.old[ROWS['weight']])
    return left


def compare_gradients(step: OneStep, known: int) -> None:
    """By norm and by value; mmciss keeps the rows of each step apart, and those of earlier steps get none."""
    plain = {name: parameter.grad for name, parameter in step.plain.named_parameters()}
    for name, parameter in step.model.segmentor.named_parameters():
        group = name.rpartition('.')[0].rpartition('.steps.')
        if group[1]:
            if int(group[2]) != step.model.step.index:
                assert parameter.grad is None and not parameter.requires_grad, name
                continue
            wanted = plain[ROWS[name.rpartition('.')[2]]][known:]
        else:
            wanted = plain[name]
        torch.testing.assert_close(parameter.grad.norm(), wanted.norm(), **TOLERANCE)
        # Elements that nearly cancel are only as exact as the largest ones.
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-8, atol=1e-8 * wanted.abs().max().item() + 1e-12)


def close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The tolerance is that of sums of 10^4 doubles in another order."""
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, **TOLERANCE, msg=lambda text, key=key: f'{key}: {text}')
