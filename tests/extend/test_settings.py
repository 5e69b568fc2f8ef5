"""Settings that are derived, with reasons."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mmengine.config import Config, ConfigDict

import mmciss.register_all
from mmciss.engine.runner.step_config import solves
from mmciss.errors import ConfigError
from mmciss.extend.old_model import OldModel, read_old_model
from mmciss.extend.settings import check_given, derive, extension_method, faster_new_rows, unlabelled_value
from tests.extend.samples import write_model
from tests.models.tiny_heads import tiny_segmentor


@pytest.fixture(scope='module')
def old(tmp_path_factory: pytest.TempPathFactory) -> OldModel:
    """A model with a config that says everything."""
    return read_old_model(*write_model(tmp_path_factory.mktemp('model')))


def plain(old: OldModel, **keys) -> OldModel:
    model = old.cfg.model.to_dict()
    model['data_preprocessor'].pop('size')
    return replace(old, cfg=Config(dict(model=model, **keys)))


def test_the_model_s_own_config_decides(old: OldModel) -> None:
    found = derive(old, 400, [(50, 60)])
    assert found['lr'].value == pytest.approx(0.01) and found['optimizer'].value['optimizer']['type'] == 'SGD'
    assert found['new_rows_lr'].value == pytest.approx(0.1), 'the rate of the model itself'
    keys = found['optimizer'].value['paramwise_cfg']['custom_keys']
    assert keys['segmentor.decode_head.conv_seg.steps.new.']['lr_mult'] == pytest.approx(10)
    assert found['batch_size'].value == 4 and found['crop_size'].value == (32, 32)
    assert found['iters'].value == 30 * 100
    assert found['method'].value == 'anchor' and all(setting.reason for setting in found.values())


def test_enough_exemplars_are_solved_from(old: OldModel) -> None:
    few, enough = (derive(old, 400, [(50, 60)], exemplars=count)['method'] for count in (9, 10))
    assert few.value == 'anchor' and '10 old images of each old class, of which one has 9' in few.reason
    assert enough.value == 'closed_form_fine' and '10 images or more of the old data' in enough.reason
    assert derive(replace(old, background=False), 400, [(50, 60)], exemplars=50)['method'].value == 'lwf_unbiased'
    alone, from_exemplars = (extension_method('closed_form', True, exemplars) for exemplars in (0, 1))
    assert alone['structure'] is None and set(alone['statistics']) == {'ridge', 'rows'}
    assert from_exemplars['structure']['type'] == 'RandomExpansion' and set(from_exemplars['statistics']) == {'ridge'}
    assert from_exemplars['structure']['reveal_hidden'] is False, 'they label every class'
    assert 'exemplars' not in from_exemplars
    ridge = extension_method('closed_form_fine', True, True)['statistics']['ridge']
    assert ridge == dict(from_exemplars['statistics']['ridge'], background=0.5, mirror=True)
    again = extension_method('closed_form', True, structure=dict(type='RandomExpansion', width=8, gamma=2.0))
    assert again['structure'] == dict(type='RandomExpansion', width=8, gamma=2.0, reveal_hidden=False)
    assert solves(alone) and solves(from_exemplars)


def test_old_images_in_every_batch_allow_a_higher_rate_and_fewer_iterations(old: OldModel) -> None:
    given = dict(method='replay')
    found = derive(old, 4000, [(50, 60)], given, exemplars=1)
    assert found['lr'].value == pytest.approx(0.025) and 'a quarter of the model' in found['lr'].reason
    assert found['new_rows_lr'].value == pytest.approx(0.25)
    assert found['iters'].value == 2000, 'a quarter of what the model itself was trained'
    assert "cut to a quarter of the model's own training" in found['iters'].reason
    assert derive(plain(old), 400, [(50, 60)], given, exemplars=1)['iters'].value == 30 * 50
    assert derive(old, 400, [(50, 60)], dict(method='anchor'), exemplars=1)['lr'].value == pytest.approx(0.01)
    with pytest.raises(ConfigError, match='--method replay: it keeps images of earlier steps; give some of every'):
        extension_method('replay', True)
    assert extension_method('replay', True, exemplars=True)['memory']['mode'] == 'batch'


def test_without_a_background_class_another_method(old: OldModel) -> None:
    found = derive(replace(old, background=False), 40, [(50, 60)])
    assert found['method'].value == 'lwf_unbiased' and 'no background class' in found['method'].reason


def test_a_head_without_a_linear_classifier_gets_mib(old: OldModel) -> None:
    model = dict(tiny_segmentor('SegmenterMaskTransformerHead', 3))
    found = derive(replace(old, cfg=Config(dict(model=model))), 40, [(50, 60)])['method']
    assert found.value == 'mib' and 'Anchor needs' in found.reason


def test_a_loss_that_no_method_can_replace_stays(old: OldModel) -> None:
    model = old.cfg.model.to_dict()
    model['decode_head']['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=True)
    found = derive(replace(old, cfg=Config(dict(model=model))), 40, [(50, 60)])['method']
    assert found.value == 'lwf' and 'model keeps its own loss' in found.reason


def test_a_bare_config_gets_usual_values(old: OldModel) -> None:
    found = derive(plain(old), 3, [(100, 300), (110, 300), (400, 90)])
    assert found['batch_size'].value == 3 and 'cut to the number of images' in found['batch_size'].reason
    assert found['crop_size'].value == (96, 96)
    assert found['optimizer'].value['optimizer']['type'] == 'SGD' and found['iters'].value == 300
    without = {name: tensor for name, tensor in old.weights.items() if 'running' not in name}
    found = derive(replace(plain(old), weights=without), 3, [(100, 300)])
    assert found['optimizer'].value['optimizer']['type'] == 'AdamW', 'a backbone without batch norm is a transformer'
    assert found['new_rows_lr'].value == pytest.approx(6e-4)


def test_new_rows_are_faster_than_the_rows_beside_them(old: OldModel) -> None:
    wrapper = ConfigDict(
        optimizer=dict(type='AdamW', lr=0.1),
        paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=5.0, decay_mult=0.0), 'decode': dict(lr_mult=2.0)}),
    )
    assert faster_new_rows(wrapper, ['auxiliary_head.conv_seg', 'decode_head.conv_seg']) == pytest.approx(2.0)
    keys = wrapper.paramwise_cfg.custom_keys
    assert keys['segmentor.auxiliary_head.conv_seg.steps.new.'] == dict(lr_mult=pytest.approx(50), decay_mult=0.0)
    assert faster_new_rows(ConfigDict(constructor='LayerDecayOptimizerConstructor'), ['decode_head.conv_seg']) is None


def test_limits(old: OldModel) -> None:
    assert derive(old, 4000, [(50, 60)])['iters'].value == 8000, 'not more than the model itself was trained'
    record = dict(
        extension=dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.5)), batch_size=2)
    )
    found = derive(plain(old, **record), 10**6, [(50, 60)])
    assert found['iters'].value == 20000 and found['lr'].value == pytest.approx(0.05)
    assert found['batch_size'].value == 2


def test_configs_of_older_versions_have_an_optimizer_without_wrapper(old: OldModel) -> None:
    before = plain(old, optimizer=dict(type='SGD', lr=0.2))
    assert before.optim_wrapper == dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.2))
    assert derive(before, 40, [(50, 60)])['lr'].value == pytest.approx(0.02)
    assert plain(old).optim_wrapper is None


def test_given_settings_win(old: OldModel) -> None:
    found = derive(old, 400, [(50, 60)], dict(method='lwf', iters=7, lr=0.5, batch_size=2, crop_size=64))
    assert [found[key].value for key in ('method', 'iters', 'lr', 'batch_size', 'crop_size')] == [
        'lwf',
        7,
        0.5,
        2,
        (64, 64),
    ]
    assert found['optimizer'].value['optimizer']['lr'] == 0.5 and found['lr'].reason == 'as given'
    for name in ('iters', 'lr', 'batch_size', 'crop_size'):
        with pytest.raises(ConfigError, match=f'--{name.replace("_", "-")}: -1'):
            check_given(**{name: -1})


@pytest.mark.parametrize(
    ('name', 'background', 'message'),
    [
        ('joint', True, '--method joint: it changes the protocol'),
        ('dkd', True, '--method dkd: it shapes the training of the first classes too.*finetuning.*lwf, .*mib'),
        ('ssul_m', False, '--method ssul_m: it shapes'),
        ('closed_form', False, '--method closed_form: it starts new classes from the background'),
        ('mib', False, '--method mib: it starts new classes from the background.*lwf_unbiased'),
        ('lwf_unbiased', True, '--method lwf_unbiased: it is for models without a background'),
        ('mibb', True, "--method: unknown method 'mibb'.*Did you mean 'mib'"),
    ],
)
def test_unfit_methods_are_refused(name: str, background: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        extension_method(name, background)


def test_label_of_open_pixels() -> None:
    assert unlabelled_value(extension_method('mib', True), True) == 0
    assert unlabelled_value(extension_method('lwf_unbiased', False), False) == 254
    assert unlabelled_value(extension_method('finetuning', False), False) == 255


def test_slots_for_a_finished_model_take_the_place_of_others() -> None:
    method = extension_method('closed_form', True)
    assert method['structure'] is None and method['initializer']['type'] == 'FittedInitializer' and solves(method)
    assert [name for name, item in method['statistics'].items() if item] == ['rows'] and 'extension' not in method
