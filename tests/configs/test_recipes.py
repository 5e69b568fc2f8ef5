"""The configs of single papers hold what the papers published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from mmciss.engine.runner.schedule import StepPlan, step_options
from mmciss.engine.runner.step_config import make_step_config, method_slots
from mmciss.models.step_context import StepState
from tests.configs.user_configs import CONFIGS, load, protocol_of

RECIPES = {path.stem: path for path in CONFIGS if path.parent.name == 'recipes'}

# Batch, learning rates and epochs (or iterations) of the base step and of later ones, mixed precision, label policy.
MIB = (24, 0.01, 0.001, 30, 30)
STAR_S = ('star_sphere', 'star_lite', 'adapter', 'cogamid')
PUBLISHED: dict[str, tuple[Any, ...]] = {
    'mib_voc_15-1': (*MIB, False, 'mib'),
    'mib_ade_100-50-partitioned': (24, 0.01, 0.001, 60, 60, False, 'mib'),
    'plop_voc_15-1': (*MIB, True, 'plop'),
    'plop_voc_10-1': (24, 0.01, 0.001, 30, 10, True, 'plop'),
    'plop_ade_100-50': (24, 0.01, 0.001, 60, 60, True, 'plop'),
    'plop_cityscapes-domain_11-1': (24, 0.01, 0.001, 50, 50, True, None),
    'plop_cityscapes-domain_1-1': (24, 0.01, 0.001, 50, 50, True, None),
    'lgkd_voc_15-1': (*MIB, True, 'plop'),
    'lgkd_voc_15-5': (*MIB, True, 'plop'),
    'lgkd_voc_19-1': (*MIB, True, 'plop'),
    'lgkd_ade_100-50': (12, 0.02, 0.002, 60, 60, True, 'plop'),
    'lgkd_ade_100-10': (16, 0.02, 0.002, 60, 60, True, 'plop'),
    'lgkd_ade_50-50': (12, 0.02, 0.002, 60, 60, True, 'plop'),
    'gsc_voc_15-1': (*MIB, True, 'plop'),
    'gsc_ade_100-50': (24, 0.01, 0.001, 60, 60, True, 'plop'),
    'ewf_voc_15-1': (*MIB, True, 'plop'),
    'ewf_ade_100-50': (24, 0.01, 0.001, 60, 60, True, 'plop'),
    'ewf_ade_100-10': (24, 0.01, 0.001, 60, 60, True, 'plop'),
    'sdr_voc_15-1': (8, 0.001, 0.0001, 30, 30, False, 'mib'),
    'sdr_mib_voc_15-1': (8, 0.001, 0.0001, 30, 30, False, 'mib'),
    'sdr_ade_100-50': (4, 0.001, 0.0001, 60, 60, False, 'mib'),
    'sdr_mib_ade_100-50': (4, 0.001, 0.0001, 60, 60, False, 'mib'),
    'awt_voc_15-1': (24, 0.02, 0.001, 30, 30, True, 'plop'),
    'awt_ade_100-50': (24, 0.01, 0.001, 60, 60, True, 'plop'),
    'awt_cityscapes_14-1': (24, 0.02, 0.001, 30, 30, True, 'plop'),
    'dft_voc_15-1': (24, 0.02, 0.0005, 30, 30, True, 'plop'),
    'dft_voc_10-1': (24, 0.02, 0.0005, 30, 30, True, 'plop'),
    'dft_voc_19-1': (24, 0.02, 0.005, 30, 30, True, 'plop'),
    'dft_voc_15-5': (24, 0.02, 0.02, 30, 30, True, 'plop'),
    'dft_ade_100-50': (24, 0.02, 0.05, 60, 60, True, 'plop'),
    'dkd_voc_15-1': (32, 0.01, 0.001, 60, 60, True, 'dkd'),
    'dkd_m_voc_15-1': (32, 0.01, 0.001, 60, 60, True, 'dkd'),
    'dkd_ade_100-50': (24, 0.025, 0.0025, 100, 100, True, 'dkd'),
    'dkd_m_ade_100-50': (24, 0.025, 0.0025, 100, 100, True, 'dkd'),
    'star_voc_15-1': (24, 0.01, 0.001, 60, 60, True, 'dkd'),
    'star_ade_100-50': (24, 0.025, 0.0025, 100, 100, True, 'dkd'),
    'closed_form_voc_15-1': (32, 0.01, 0.001, 50, 30, False, 'plop'),
    'closed_form_ade_100-50': (32, 0.01, 0.001, 60, 60, False, 'plop'),
    'star_m_voc_15-1': (24, 0.01, 0.001, 60, 60, True, 'dkd'),
    **{f'{name}_voc_15-1': (24, 0.01, 0.001, 60, 60, True, 'dkd') for name in STAR_S},
    **{f'{name}_ade_100-50': (24, 0.025, 0.0025, 100, 100, True, 'dkd') for name in STAR_S},
    'nest_voc_15-1': (24, 0.02, 0.001, 30, 30, True, 'plop'),
    'nest_ade_100-50': (24, 0.02, 0.001, 60, 60, True, 'plop'),
    'nest_plop_voc_15-1': (24, 0.02, 0.001, 30, 30, True, 'plop'),
    'nest_plop_ade_100-50': (24, 0.02, 0.001, 60, 60, True, 'plop'),
    'nest_rcil_voc_15-1': (24, 0.02, 0.001, 30, 30, True, 'plop'),
    'nest_rcil_ade_100-50': (24, 0.02, 0.001, 60, 60, True, 'plop'),
    'mbs_voc_15-1': (16, 0.001, 0.0001, 32, 32, True, 'plop'),
    'mbs_ade_100-50': (8, 0.001, 0.0005, 64, 64, True, 'plop'),
    'ssul_voc_15-1': (32, 0.01, 0.001, 50, 50, True, 'ssul'),
    'ssul_m_voc_15-1': (32, 0.01, 0.001, 50, 50, True, 'ssul'),
    'ssul_ade_100-50': (24, 0.01, 0.005, 100, 100, True, 'ssul'),
    'ssul_m_ade_100-50': (24, 0.01, 0.005, 100, 100, True, 'ssul'),
    'comformer_voc_15-1': (16, 1e-4, 5e-5, 20000, 1000, False, 'plop'),
    'comformer_ade_100-50': (16, 1e-4, 5e-5, 160000, 50000, False, 'plop'),
    'rcil_voc_15-1': (24, 0.02, 0.001, 30, 30, True, 'plop'),
    'rcil_ade_100-50': (24, 0.01, 0.001, 60, 60, True, 'plop'),
    'rcil_cityscapes-domain_11-5': (24, 0.02, 0.002, 50, 50, True, None),
    'rcil_cityscapes-domain_11-1': (24, 0.02, 0.004, 50, 50, True, None),
    'rcil_cityscapes-domain_1-1': (24, 0.02, 0.002, 50, 50, True, None),
}


RCIL = {
    'initializer.bias': False,
    'structure.convolutions': {'backbone.*': 3, 'decode_head.*': 3, 'decode_head.pyramid.*': (1, 3)},
}
SEGACIL = {'structure.width': 8192, 'structure.reveal_hidden': False, 'statistics.ridge.first_step': 2}
NEST = {f'statistics.pretuning.{key}': value for key, value in dict(epochs=5, lr=0.001, size=128).items()}
NEST_ADE = {**NEST, 'statistics.pretuning.epochs': 15, 'statistics.pretuning.lr': 0.5}
CHANGED: dict[str, dict[str, Any]] = {
    'closed_form_voc_15-1': SEGACIL,
    'closed_form_ade_100-50': SEGACIL,
    'nest_voc_15-1': NEST,
    'nest_ade_100-50': NEST_ADE,
    'nest_plop_voc_15-1': {**NEST, 'freeze.patterns': ['*.steps.old.*']},
    'nest_plop_ade_100-50': NEST_ADE,
    'nest_rcil_voc_15-1': {**NEST, 'structure.convolutions': RCIL['structure.convolutions']},
    'nest_rcil_ade_100-50': {**NEST_ADE, 'structure.convolutions': RCIL['structure.convolutions']},
    'awt_voc_15-1': {'statistics.attribution.per_class': False},
    'awt_cityscapes_14-1': {'statistics.attribution.per_class': False},
    **{
        f'{name}_{data}': {
            'statistics.sites.threshold': 0.6224593312018546,
            **({f'statistics.{key}.grid': (16, 16) for key in ('halfway', 'mixtures')} if name == 'cogamid' else {}),
        }
        for name in ('star', 'star_m', *STAR_S)
        for data in ('voc_15-1', 'ade_100-50')
    },
    'rcil_voc_15-1': RCIL,
    'rcil_ade_100-50': RCIL,
    **{
        f'rcil_cityscapes-domain_{name}': {'structure.convolutions': RCIL['structure.convolutions']}
        for name in ('11-5', '11-1', '1-1')
    },
}
"""Slots of a method's file that a recipe changes, as the release does."""


def test_every_recipe_is_checked() -> None:
    assert set(RECIPES) == set(PUBLISHED)


@pytest.mark.parametrize('name', PUBLISHED)
def test_schedule(name: str) -> None:
    cfg = load(RECIPES[name])
    base, later = (step_options(cfg.steps, index) for index in range(2))
    assert (
        cfg.train_dataloader.batch_size,
        base['lr'],
        later['lr'],
        base.get('epochs', base.get('iters')),
        later.get('epochs', later.get('iters')),
        cfg.optim_wrapper.type == 'AmpOptimWrapper',
        cfg.protocol.get('label_policy'),
    ) == PUBLISHED[name]


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_method_is_that_of_the_name(name: str) -> None:
    """Except where the data set changes something, the file neither repeats a slot nor drops one."""
    from mmciss.utils.configs import load_method

    method = max(
        (
            stem.stem
            for stem in Path(RECIPES[name].parent.parent, '_base_/methods').glob('*.py')
            if name.startswith(f'{stem.stem}_')
        ),
        key=len,
    )
    found, file = load(RECIPES[name]).method, load_method(method)
    file.merge_from_dict(
        {f'method.{key}': value for key, value in CHANGED.get(name, {}).items() if key != 'structure.convolutions'}
    )
    plain = file.method
    if 'structure.convolutions' in CHANGED.get(name, {}):  # dots in its keys
        plain.structure.convolutions = CHANGED[name]['structure.convolutions']
    assert found.name == plain.name
    for slot in ('initializer', 'statistics', 'classifier', 'freeze', 'structure', 'hooks'):
        assert found.get(slot) == plain.get(slot), slot
    memory = found.get('memory')
    assert memory == (
        None
        if plain.get('memory') is None
        else {
            **plain.memory,
            'size': 300 if '_ade_' in name else 50 if method == 'star_m' else 100,
            **(dict(candidates='crops') if method in ('dkd_m', 'star_m') else {}),
        }
    )


@pytest.mark.parametrize(
    ('name', 'loss', 'factors'),
    [
        ('plop_voc_15-1', 'pod', dict(factor=0.01, logits_factor=0.0005)),
        ('plop_ade_100-50', 'pod', dict(factor=0.001, logits_factor=0.00001)),
        ('gsc_ade_100-50', 'pod', dict(factor=0.001, logits_factor=0.00001)),
        ('plop_cityscapes-domain_11-1', 'pod', dict(factor=0.0001, logits_factor=0.0001)),
        ('plop_cityscapes-domain_1-1', 'pod', dict(factor=0.0001, logits_factor=0.001)),
        ('lgkd_ade_50-50', 'pod', dict(factor=0.001, logits_factor=0.00001)),
        ('lgkd_voc_15-1', 'lgkd', dict(prev_weight=1.0, novel_weight=0.0)),
        ('lgkd_voc_15-5', 'lgkd', dict(prev_weight=5.0, novel_weight=1.0)),
        ('lgkd_voc_19-1', 'lgkd', dict(prev_weight=5.0, novel_weight=0.5)),
        ('lgkd_ade_100-50', 'lgkd', dict(prev_weight=1.0, novel_weight=20.0)),
        ('lgkd_ade_100-10', 'lgkd', dict(prev_weight=1.0, novel_weight=1.0)),
        ('lgkd_ade_50-50', 'lgkd', dict(prev_weight=2.0, novel_weight=10.0)),
        ('nest_plop_voc_15-1', 'pod', dict(factor=0.01, logits_factor=0.0005)),
        ('nest_plop_ade_100-50', 'pod', dict(factor=0.001, logits_factor=0.00001)),
        ('nest_rcil_ade_100-50', 'cube', dict(factor=5e-6, last_factor=5e-7)),
        ('mbs_voc_15-1', 'od', dict(loss_weight=25.0, reduction='mean')),
        ('mbs_ade_100-50', 'od', dict(loss_weight=50.0, reduction='mean')),
        ('mbs_ade_100-50', 'fd', dict(layer='decode_head.patch_proj')),
        ('mbs_ade_100-50', 'tokens', dict(layer='decode_head.classes_proj')),
        ('ewf_voc_15-1', 'kd', dict(loss_weight=10.0)),
        ('ewf_ade_100-50', 'kd', dict(loss_weight=10.0)),
        ('ewf_ade_100-10', 'kd', dict(loss_weight=100.0)),
        ('rcil_voc_15-1', 'cube', dict(factor=0.01, last_factor=0.0005)),
        ('rcil_ade_100-50', 'cube', dict(factor=5e-6, last_factor=5e-7)),
        (
            'rcil_cityscapes-domain_11-1',
            'cube',
            dict(factor=5e-4, last_factor=1e-4, channel_factor=1e-4, last_channel_factor=0.0),
        ),
    ],
)
def test_factors(name: str, loss: str, factors: dict[str, float]) -> None:
    cfg = load(RECIPES[name])
    found = method_slots(cfg.method, protocol_of(cfg)[1])
    assert {key: found['losses'][loss].get(key) for key in factors} == factors
    if 'rcil_cityscapes' in name:
        assert found['main_loss'] is None and found['losses'].kd is None


@pytest.mark.parametrize('name', ['dkd_ade_100-50', 'dkd_m_ade_100-50'])
def test_positives_weigh_35_on_ade(name: str) -> None:
    cfg = load(RECIPES[name])
    for step in list(protocol_of(cfg))[:2]:
        assert method_slots(cfg.method, step)['main_loss'].pos_weight == 35


@pytest.mark.parametrize(
    ('name', 'weight'),
    [
        (f'{name}_{data}', weight)
        for name in ('star', *STAR_S)
        for data, weight in (('voc_15-1', 4), ('ade_100-50', 30))
    ],
)
def test_weights_of_star_and_its_successors_and_their_one_threshold(name: str, weight: float) -> None:
    cfg = load(RECIPES[name])
    for step in list(protocol_of(cfg))[:2]:
        found = method_slots(cfg.method, step)
        assert found['main_loss'].pos_weight == weight and found['main_loss'].void_is_negative
    assert found['shared'].replay.threshold == found['statistics'].sites.threshold
    assert (found['losses'].pkd.loss_weight, found['losses'].cont.loss_weight) == (5, 0.05)


@pytest.mark.parametrize(
    ('name', 'step', 'rates'),
    [
        ('dkd_voc_15-1', 0, dict(backbone=1e-3, head=1e-2, rows=1e-2)),
        ('dkd_voc_15-1', 1, dict(backbone=1e-4, head=1e-3, rows=1e-3)),
        ('dkd_ade_100-50', 1, dict(backbone=2.5e-4, head=2.5e-3, rows=2.5e-3)),
        ('star_voc_15-1', 0, dict(backbone=1e-3, head=1e-2, rows=1e-2)),
        ('star_voc_15-1', 1, dict(backbone=1e-4, head=1e-3, rows=1e-2)),
        ('star_ade_100-50', 1, dict(backbone=2.5e-4, head=2.5e-3, rows=2.5e-2)),
        ('ssul_voc_15-1', 0, dict(backbone=1e-3, head=1e-2, rows=1e-2)),
        # The background's head is all that learns of the head beside the rows.
        ('ssul_voc_15-1', 1, dict(rows=1e-2, head=1e-6)),
        ('ssul_ade_100-50', 1, dict(rows=5e-2, head=5e-6)),
        ('sdr_voc_15-1', 1, dict(backbone=1e-4, head=1e-4, rows=1e-4)),
    ],
)
def test_learning_rates_of_parts(name: str, step: int, rates: dict[str, float]) -> None:
    cfg = load(RECIPES[name])
    plan = StepPlan(1000, step_options(cfg.steps, step)['lr'])
    out = make_step_config(cfg, protocol_of(cfg)[step], plan, StepState('m.pth') if step else None)
    out.model.previous = None  # nothing is loaded
    out.optim_wrapper.type = 'OptimWrapper'
    out.optim_wrapper.pop('loss_scale', None)
    with DefaultScope.overwrite_default_scope('mmseg'), torch.device('meta'):
        model = MODELS.build(out.model)
        groups = build_optim_wrapper(model, out.optim_wrapper).optimizer.param_groups
    names = {id(parameter): parameter_name for parameter_name, parameter in model.named_parameters()}
    found: dict[str, set[float]] = {}
    for group in groups:
        for parameter in group['params']:
            if not parameter.requires_grad:
                continue
            place = names[id(parameter)]
            part = 'rows' if f'conv_seg.steps.{step}.' in place else 'backbone' if '.backbone.' in place else 'head'
            if 'auxiliary' not in place:
                found.setdefault(part, set()).add(round(group['lr'], 9))
    assert found == {part: {rate} for part, rate in rates.items()}
    assert [schedule.end for schedule in out.param_scheduler][-1] == 1000


@pytest.mark.parametrize('name', ['mbs_voc_15-1', 'mbs_ade_100-50'])
def test_a_rate_that_stays(name: str) -> None:
    cfg = load(RECIPES[name])
    out = make_step_config(cfg, protocol_of(cfg)[1], StepPlan(700, 1e-4), StepState('m.pth'))
    (scheduler,) = out.param_scheduler
    assert (scheduler.type, scheduler.factor, scheduler.end) == ('ConstantLR', 1.0, 700)
    assert out.optim_wrapper.optimizer.weight_decay == 1e-5


@pytest.mark.parametrize(
    ('name', 'share'), [('dkd_ade_100-50', 0.2), ('star_ade_100-50', 0.2), ('ssul_ade_100-50', 0.1)]
)
def test_warm_up_covers_its_share_of_every_step(name: str, share: float) -> None:
    cfg = load(RECIPES[name])
    out = make_step_config(cfg, protocol_of(cfg)[0], StepPlan(700, 0.01), None)
    assert (out.param_scheduler[0].type, out.param_scheduler[0].end) == ('LinearLR', 700 * share)
    assert (out.param_scheduler[1].begin, out.param_scheduler[1].end) == (0, 700)
