"""What is known about a run before it trains."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmciss.register_all
from mmciss.datasets.shapes import ShapesDataset
from mmciss.engine.runner.experiment import Experiment, check_config
from mmciss.errors import ConfigError
from mmciss.utils.configs import dataset_name, innermost_dataset, model_name, pipelines
from tests.engine.runner.test_step_config import config
from tests.smoke import smoke_config
from tests.step_run import block_masks, step_run_config, write_pictures


@pytest.fixture(scope='module')
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return Experiment.from_cfg(smoke_config(tmp_path_factory.mktemp('x')))


def test_steps_are_counted_and_planned(experiment: Experiment) -> None:
    assert experiment.num_images == (39, 26)
    assert [plan.iterations for plan in experiment.plans] == [6, 4]
    assert experiment.plans[0].global_batch == 4
    details = experiment.details()
    assert details['method'] == 'MiB' and details['model'] == 'FCNHead + ResNetV1c-18'
    assert details['dataset'] == 'ShapesDataset' and details['num_steps'] == 2


def test_own_data_and_own_orders_are_named(tmp_path: Path) -> None:
    order = list(range(20, 0, -1))
    own = Experiment.from_cfg(smoke_config(tmp_path, protocol__order=order)).details()['order']
    assert own == list(ShapesDataset.METAINFO['classes'][:0:-1])
    plain = dict(type='BaseSegDataset', data_root='data/warehouse/')
    assert dataset_name(plain) == 'warehouse' and dataset_name(dict(type='BaseSegDataset')) == 'BaseSegDataset'
    assert dataset_name({**plain, 'type': 'ADE20KDataset'}) == 'ADE20KDataset'


def test_an_epoch_shows_stored_images_where_they_are_added(tmp_path: Path) -> None:
    def later(method: str) -> int:
        cfg = smoke_config(tmp_path, method)
        cfg.steps = dict(base=dict(iters=6), later=dict(epochs=2))
        return Experiment.from_cfg(cfg).plans[1].iterations

    assert later('dkd_m') == 2 * ((26 + 8) // 4) and later('ssul_m') == 2 * (26 // 4)


def test_identity_tells_experiments_apart_but_not_folders(experiment: Experiment, tmp_path: Path) -> None:
    same = Experiment.from_cfg(smoke_config(tmp_path / 'elsewhere'))
    assert same.identity() == experiment.identity()
    for change in (
        dict(randomness__seed=1),
        dict(protocol__setting='disjoint'),
        dict(steps__later__iters=5),
        dict(method__losses__kd__loss_weight=1.0),
        dict(train_dataloader__batch_size=2),
    ):
        other = Experiment.from_cfg(smoke_config(tmp_path, **change))
        assert other.identity() != experiment.identity(), change


def pictures(folder: Path, masks: list, count: int, **options: object) -> dict:
    """Returns the identity of an experiment on some of the pictures."""
    write_pictures(folder, masks)
    (folder / 'list.txt').write_text(''.join(f'p{index}\n' for index in range(12)))
    (folder / 'test.txt').write_text(''.join(f'p{index}\n' for index in range(count)))
    cfg = step_run_config(folder, Path('unused'), 'mib', **options)
    cfg.test_dataloader.dataset.ann_file = 'test.txt'
    return Experiment.from_cfg(cfg).identity()


def test_changed_data_is_another_experiment_and_the_key_says_which(tmp_path: Path) -> None:
    """Ids exchanged in a mask, a shorter list, another sampler; but not a copy elsewhere."""
    masks = block_masks(0, 12)
    known = pictures(tmp_path / 'a', masks, 12)
    exchanged = [masks[0].copy(), *masks[1:]]
    shown = max(set(exchanged[0].flat) - {255})
    exchanged[0][exchanged[0] == shown] = 255
    sampler = dict(train_dataloader__sampler=dict(type='InfiniteSampler', shuffle=False))
    for changes, expected in (
        ((masks, 12), set()),
        ((masks, 11), {'test_data'}),
        ((exchanged, 12), {'train_data', 'val_data', 'test_data'}),
    ):
        found = pictures(tmp_path / f'b{len(expected)}', *changes)
        assert {key for key in known if known[key] != found[key]} - {'images', 'split_hash'} == expected
    found = pictures(tmp_path / 'a', masks, 12, **sampler)
    assert {key for key in known if known[key] != found[key]} == {'sampler'}


def test_base_identity_is_shared_by_methods_that_differ_in_later_steps_only(
    experiment: Experiment, tmp_path: Path
) -> None:
    def base(method: str, **options: object) -> str:
        return Experiment.from_cfg(smoke_config(tmp_path, method, **options)).base_identity()

    assert base('finetuning') == base('lwf') == experiment.base_identity()
    assert base('lwf_mc') != experiment.base_identity(), 'its base step has another loss'
    assert base('mib', steps__later__iters=7) == experiment.base_identity()
    assert base('mib', steps__base__iters=7) != experiment.base_identity()
    assert base('mib', randomness__seed=2) != experiment.base_identity()


def test_missing_keys_are_named() -> None:
    cfg = config()
    check_config(cfg)
    for key in ('protocol', 'model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg'):
        broken = config()
        broken.pop(key)
        with pytest.raises(ConfigError, match=f'{key}: the config has no key'):
            check_config(broken)
    cfg.model.pop('decode_head')
    with pytest.raises(ConfigError, match='model: EncoderDecoder has no decode_head'):
        check_config(cfg)


def test_names_are_found_inside_wrappers() -> None:
    inner = dict(type='A', pipeline=[1])
    nested = dict(
        type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[inner, dict(type='B', pipeline=[2])])
    )
    assert innermost_dataset(nested)['type'] == 'A' and pipelines(nested) == [[1], [2]]
    model = dict(decode_head=[dict(type='FCNHead'), dict(type='OCRHead')], backbone=dict(type='HRNet', arch={}))
    assert model_name(model) == 'OCRHead + HRNet'
