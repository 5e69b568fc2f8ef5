"""What would fail only in a later step is found before the first one trains."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import HOOKS
from mmseg.models.backbones import ResNetV1c
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.launch import prepare_config
from mmciss.engine.runner.rehearsal import check_slots, rehearse
from mmciss.errors import ConfigError
from mmciss.models.slot import MethodHook
from mmciss.protocols.step import Step
from tests.smoke import smoke_config


@HOOKS.register_module(force=True)
class WatchesSteps(MethodHook):
    """Notes which steps it is asked about, and refuses one."""

    asked: ClassVar[list[int]] = []

    def __init__(self, refuses: int | None = None) -> None:
        self.refuses = refuses

    def check_step(self, step: Step) -> None:
        self.asked.append(step.index)
        if step.index == self.refuses:
            raise ConfigError(f'method.hooks: not step {step.index}')


@MODELS.register_module(force=True)
class AuxiliaryOnlyInTraining(ResNetV1c):
    """Hands on one map more while it trains, as DDRNet and PIDNet do."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = super().forward(x)
        return (maps[0], *maps) if self.training else maps


def experiment(cfg: Config) -> Experiment:
    return Experiment.from_cfg(prepare_config(cfg))


def with_hooks(folder: Path, hooks: Sequence[dict[str, Any]], **options: Any) -> Experiment:
    cfg = smoke_config(folder, **options)
    cfg.method.hooks = [ConfigDict(hook) for hook in hooks]
    return experiment(cfg)


def test_hooks_are_asked_about_every_step(tmp_path: Path) -> None:
    """A method's hooks serve later steps; also those whose models are not built here are asked about."""
    options = dict(protocol__name='1-1', protocol__setting='overlapped')
    WatchesSteps.asked.clear()
    found = with_hooks(tmp_path, [dict(type='WatchesSteps')], **options)
    rehearse(found)
    assert len(found.protocol) > 2
    assert sorted(set(WatchesSteps.asked)) == list(range(1, len(found.protocol)))
    with pytest.raises(ConfigError, match='not step 3'):
        rehearse(with_hooks(tmp_path, [dict(type='WatchesSteps', refuses=3)], **options))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(method__initializer__type='BackgroundInitialiser'),
            r"method\.initializer: nothing is called 'BackgroundInitialiser'.*BackgroundInitializer",
        ),
        (dict(method__losses__kd__weight=1), r'method\.losses\.kd: .*weight'),
        (dict(method__losses__kd='UnbiasedDistillationLoss'), r'method\.losses\.kd: must be a dictionary with a type'),
        (
            dict(method__losses=dict(_delete_=True, type='UnbiasedDistillationLoss')),
            r'method\.losses: must be a dictionary of named configs',
        ),
        (dict(custom_hooks=[dict(type='NoSuchHook')]), r"custom_hooks\[0\]: nothing is called 'NoSuchHook'"),
        (dict(model__backbone__depth=19), r'model: .*19'),
        (dict(optim_wrapper__optimizer__type='SGDD'), r"optim_wrapper\.optimizer: nothing is called 'SGDD'\. .*'SGD'"),
    ],
)
def test_mistakes_are_blamed_on_their_key(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rehearse(experiment(smoke_config(tmp_path, **options)))


def test_a_slot_of_later_steps_is_built_although_the_base_step_does_without(tmp_path: Path) -> None:
    cfg = smoke_config(tmp_path, method__main_loss=dict(type='NoSuchLoss'), method__base=dict(main_loss=None))
    found = experiment(cfg)
    check_slots(cfg.method, found.protocol[0])
    with pytest.raises(ConfigError, match=r"method\.main_loss: nothing is called 'NoSuchLoss'"):
        check_slots(cfg.method, found.protocol[1])


@pytest.mark.parametrize(
    ('method', 'left_out', 'statistic'),
    [
        ('star', 'distributions', 'embedding_distribution'),
        ('star', 'sites', 'predicted_sites'),
        ('cogamid', 'mixtures', 'embedding_mixtures'),
    ],
)
def test_a_pass_that_is_missing_is_noticed_before_the_base_step(
    tmp_path: Path, method: str, left_out: str, statistic: str
) -> None:
    cfg = smoke_config(tmp_path, method, **{f'method__statistics__{left_out}': None})
    with pytest.raises(ConfigError, match=rf"method\.statistics: .* needs '{statistic}'.*; add the pass"):
        rehearse(experiment(cfg))


def test_pipelines_that_do_not_pack_are_noticed(tmp_path: Path) -> None:
    cfg = smoke_config(tmp_path)
    cfg.train_dataloader.dataset.pipeline.pop()
    found = experiment(cfg)
    with pytest.raises(ConfigError, match=r'train_dataloader\.dataset\.pipeline: must end with PackSegInputs'):
        rehearse(found)


def test_maps_that_a_teacher_does_not_have_are_noticed_before_the_base_step(tmp_path: Path) -> None:
    options = dict(model__backbone__type='AuxiliaryOnlyInTraining', model__decode_head__in_index=-1)
    rehearse(experiment(smoke_config(tmp_path, 'plop', method__losses__pod__layers=[], **options)))
    with pytest.raises(
        ConfigError, match=r'method\.losses\.pod: LocalPODLoss.*gives 5 maps in training and 4 in tests'
    ):
        rehearse(experiment(smoke_config(tmp_path, 'plop', method__losses__pod__layers='backbone', **options)))


def test_no_random_number_is_used_up(tmp_path: Path) -> None:
    """Or a resumed run, which rehearses too, would go on with others."""
    found = experiment(smoke_config(tmp_path))

    def numbers() -> tuple[Any, ...]:
        return random.random(), np.random.random(), torch.rand(1).item()

    def seed() -> None:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)

    seed()
    expected = numbers()
    seed()
    rehearse(found)
    assert numbers() == expected
