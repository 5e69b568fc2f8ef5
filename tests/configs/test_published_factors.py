"""Factors of SDR, RCIL, EWF, DFT* and the regularisers, as published."""

from __future__ import annotations

import pytest
from mmengine.config import ConfigDict
from mmseg.registry import HOOKS

import mmciss.register_all
from mmciss.utils.configs import load_method


def method(name: str) -> ConfigDict:
    return load_method(name).method


@pytest.mark.parametrize('name', ['sdr', 'sdr_mib'])
def test_sdr(name: str) -> None:
    """The preset of its release; the base step looks at the same layer and changes nothing."""
    found = method(name)
    assert found.main_loss.type == 'UnbiasedCrossEntropyLoss' and found.losses.kd.loss_weight == 100
    latent, base = found.losses.latent, found.base.losses.latent
    weights = [key for key in latent if key.endswith('_weight')]
    assert [latent[key] for key in weights] == [0.01, 0.001, 0.001, 0.001]
    assert all(base[key] == 0 for key in weights)
    assert {k: v for k, v in latent.items() if k not in weights} == {k: v for k, v in base.items() if k not in weights}
    assert ('initializer' in found) == (name == 'sdr_mib')


def test_rcil() -> None:
    found = method('rcil')
    assert found.losses.kd.loss_weight == 100
    assert (found.losses.cube.factor, found.losses.cube.last_factor) == (0.01, 0.0005)
    assert found.structure.type == 'ParallelBranches' and 'base' not in found


def test_ewf_is_mib_with_frozen_old_rows_and_a_hook() -> None:
    found, host = method('ewf'), method('mib')
    assert [dict(hook) for hook in found.hooks] == [dict(type='WeightFusionHook')], "the release's factor"
    assert found['freeze'] == dict(patterns=['*.steps.old.*'])
    assert all(found[key] == host[key] for key in host if key != 'name')


def test_dft_trains_all_but_old_rows_and_has_future_ones_from_the_start() -> None:
    found = method('dft')
    assert set(found) == {'name', 'classifier', 'freeze'} and found.classifier == dict(future_rows=True)
    assert found['freeze']['patterns'] == ['*'] and found['freeze']['trainable'] == ['*.steps.new.*', '*.future.*']


@pytest.mark.parametrize('name, weight', [('ewc', 500), ('pi', 500), ('rw', 100)])
def test_regularisers_measure_from_the_base_step_on(name: str, weight: float) -> None:
    found = method(name)
    assert set(found) == {'name', 'hooks', 'base'}
    assert found.hooks[0].weight == weight
    assert found.base.hooks[0].type == found.hooks[0].type
    assert HOOKS.build(found.hooks[0]).weight == weight
