"""A hundred broken configs, masks and lists: each ends before training, with a message that names the culprit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmciss.register_all
from mmciss.apis.train import main
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from mmciss.errors import ConfigError
from tests.step_run import SIDE, block_masks, step_run_config, write_pictures

DELETE = object()

BROKEN_KEYS: list[tuple[str, Any, str]] = [
    # key, value, what the message must name (the key itself if empty)
    ('protocol', DELETE, ''),
    ('protocol', 'overlapped', ''),
    ('protocol.name', '2-3', ''),
    ('protocol.name', '7-1', ''),
    ('protocol.name', 'two-two', ''),
    ('protocol.name', '0-2', ''),
    ('protocol.name', DELETE, 'protocol'),
    ('protocol.nmae', '2-2', ''),
    ('protocol.setting', 'overlaped', ''),
    ('protocol.setting', 3, ''),
    ('protocol.order', [1, 2, 3], ''),
    ('protocol.order', [1, 2, 3, 4, 5, 5], ''),
    ('protocol.order', [1, 2, 3, 4, 5, 9], ''),
    ('protocol.order', ['a', 'b', 'c', 'd', 'e', 'g'], ''),
    ('protocol.order', 'z', ''),
    ('protocol.order', -1, ''),
    ('protocol.order', 1.5, ''),
    ('protocol.seed', 'one', ''),
    ('protocol.seed', -1, ''),
    ('protocol.dataset', 'voc13', ''),
    ('protocol.steps', [[1, 2], []], ''),
    ('protocol.steps', [1, 2], ''),
    ('protocol.steps', [[1, 2, 3], [3, 4, 5, 6]], ''),
    ('protocol.steps', 'ab', ''),
    ('protocol.split_files', ['nowhere.txt'], ''),
    ('protocol.domains', ['a', 'b'], 'domains'),
    ('protocol.holdout', 1.2, ''),
    ('protocol.holdout', 'half', ''),
    ('protocol.holdout', 0.01, ''),
    ('protocol.label_policy', 'mbi', ''),
    ('protocol.label_policy', 4, ''),
    ('protocol.label_policy', dict(void_train='keep'), ''),
    ('protocol.label_policy', dict(vod_train='ignore'), ''),
    ('method', 'mib', ''),
    ('method.losses', [dict(type='UnbiasedDistillationLoss')], ''),
    ('method.losses', dict(type='UnbiasedDistillationLoss'), ''),
    ('method.losses.kd.type', 'UnbaisedDistillationLoss', 'method.losses.kd'),
    ('method.losses.kd.type', DELETE, 'method.losses.kd'),
    ('method.losses.kd.loss_wieght', 1.0, 'method.losses.kd'),
    ('method.losses.kd', 'strong', ''),
    ('method.losses.more', dict(type='FeatureDistillationLoss', layer='backbone.layer9'), ''),
    ('method.losses.more', dict(type='PrototypeLoss', layer='backbone.nothing'), ''),
    ('method.main_loss.type', 'UnbiasedCrossEntropy', 'method.main_loss'),
    ('method.main_loss.reduction', 'median', 'reduction'),
    ('method.initializer.type', 'BackgroundInitialiser', 'method.initializer'),
    ('method.initializer.shift', True, 'method.initializer'),
    ('method.initializer', 'background', ''),
    ('method.labeler', dict(type='EntropyLabeller'), ''),
    ('method.labeler', dict(type='EntropyLabeler', tau=0.1), ''),
    ('method.statistics', dict(thresholds=dict(type='EntropyThreshold')), ''),
    ('method.statistics', dict(thresholds=dict(type='EntropyThresholds', minimal=0.1)), ''),
    ('method.structure', dict(type='ParallelBranch'), ''),
    ('method.decision', dict(type='SigmoidThreshold'), ''),
    ('method.decision', dict(type='SigmoidThresholdDecision', treshold=0.5), ''),
    ('method.freeze', dict(patterns=['bakbone.*']), ''),
    ('method.freeze', dict(norm='evil'), ''),
    ('method.freeze', ['backbone.*'], ''),
    ('method.classifier', dict(auxilary=1), 'auxilary'),
    ('method.memory', dict(size=0), ''),
    ('method.memory', dict(size=10**6), ''),
    ('method.memory', dict(sice=3), ''),
    ('method.memory', dict(size=3, mode='mixed'), ''),
    ('method.memory', 3, ''),
    ('method.hooks', dict(type='WeightFusionHook'), ''),
    ('method.hooks', [dict(type='WeightFussionHook')], ''),
    ('method.base', 'same', ''),
    ('method.base', dict(loses={}), ''),
    ('method.base', dict(losses=dict(kd=dict(type='UnbiasedDistillationLoss'))), 'teacher'),
    ('method.cfg', 'none', ''),
    ('method.losss', {}, ''),
    ('steps', 'long', ''),
    ('steps.later', 4, ''),
    ('steps.later.iters', 0, ''),
    ('steps.later.iters', 'many', ''),
    ('steps.later.epochs', 2, 'steps.later'),
    ('steps.base.lr', -0.1, ''),
    ('steps.base.lr', '0.1', ''),
    ('steps.last', dict(iters=2), ''),
    ('steps.later.iterations', 3, ''),
    ('model', DELETE, ''),
    ('model.type', 'EncoderDecodr', 'model'),
    ('model.decode_head', DELETE, 'decode_head'),
    ('model.decode_head.type', 'FCNHaed', 'model'),
    ('model.decode_head.in_channels', 63, 'model'),
    ('model.decode_head.in_index', 7, 'model'),
    ('model.decode_head.chanels', 8, 'model'),
    ('model.backbone.type', 'ResNetV1d2', 'model'),
    ('model.backbone.depth', 19, 'model'),
    ('train_dataloader', DELETE, ''),
    ('train_dataloader.batch_size', 0, ''),
    ('train_dataloader.batch_size', 'four', ''),
    ('train_dataloader.num_workers', -1, ''),
    ('train_dataloader.dataset', None, ''),
    ('train_dataloader.dataset.type', 'BaseSegDatset', 'train_dataloader.dataset'),
    ('train_dataloader.dataset.data_root', '/no/such/folder', '/no/such/folder'),
    ('train_dataloader.dataset.ann_file', 'no.txt', 'no.txt'),
    ('train_dataloader.dataset.img_sufix', '.png', 'train_dataloader.dataset'),
    ('train_dataloader.dataset.pipeline', [], 'pipeline'),
    (
        'train_dataloader.dataset.pipeline',
        [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')],
        'LoadAnnotations',
    ),
    ('train_dataloader.dataset.pipeline', [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')], 'pipeline'),
    ('train_dataloader.dataset.pipeline', [dict(type='LoadImages')], 'train_dataloader.dataset'),
    ('train_dataloader.sampler.type', 'InfiniteSmapler', 'train_dataloader.sampler'),
    ('test_dataloader', DELETE, ''),
    ('optim_wrapper', DELETE, ''),
    ('optim_wrapper.optimizer.type', 'SDG', 'optim_wrapper'),
    ('optim_wrapper.optimizer.momentun', 0.9, 'optim_wrapper'),
    ('param_scheduler', [dict(type='PolyLr', by_epoch=False)], 'param_scheduler[0]'),
    ('train_cfg.by_epoch', True, 'train_cfg'),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys='{"backbone": {}}'), 'custom_keys'),
    ('train_cfg.max_iters', 'ten', ''),
    ('randomness.seed', 'lucky', ''),
    ('custom_hooks', [dict(type='NoHook')], ''),
    ('load_from', 'nowhere.pth', 'nowhere.pth'),
    ('work_dir', DELETE, ''),
]


@pytest.fixture(scope='module')
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp('pictures'), good_masks())


def good_masks() -> list[np.ndarray]:
    masks = block_masks(0, 8)
    for number in range(1, 7):
        masks[number][:] = number
    return masks


def break_key(cfg: Any, key: str, value: Any) -> None:
    """Sets or deletes one key of a config, nested ones by dots."""
    *parents, last = key.split('.')
    for parent in parents:
        cfg = cfg.setdefault(parent, {})
    if value is DELETE:
        cfg.pop(last, None)
    else:
        cfg[last] = value


def expect_refusal(work_dir: Path, make: Callable[[], Any], culprit: str) -> None:
    """Checks that setting up a run is refused, before any iteration, with a message that names the culprit."""
    with pytest.raises((ConfigError, FileNotFoundError)) as caught:
        IncrementalRunner.from_cfg(make())
    message = str(caught.value)
    assert culprit in message, f'{culprit!r} is not in: {message}'
    assert not list(work_dir.glob('step_*'))


@pytest.mark.parametrize(
    ('key', 'value', 'culprit'), BROKEN_KEYS, ids=[f'{index}-{key}' for index, (key, *_) in enumerate(BROKEN_KEYS)]
)
def test_a_broken_key_is_named(key: str, value: Any, culprit: str, pictures: Path, tmp_path: Path) -> None:
    def make() -> Any:
        cfg = step_run_config(pictures, tmp_path / 'run', 'mib')
        if key == 'protocol.steps':
            cfg.protocol.pop('name')
        break_key(cfg, key, value)
        return cfg

    expect_refusal(tmp_path / 'run', make, culprit or key)


@pytest.mark.parametrize('key', ('protocol', 'method', 'steps'))
def test_a_misspelt_key_is_named(key: str, pictures: Path, tmp_path: Path) -> None:
    cfg = step_run_config(pictures, tmp_path / 'run', 'mib')
    cfg[f'{key[:-1]}x'] = cfg.pop(key)
    expect_refusal(tmp_path / 'run', lambda: cfg, repr(key))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def rgb(path: Path) -> None:
    Image.open(path).convert('RGB').save(path)


def sixteen_bit(path: Path) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 300, dtype=np.uint16)).save(path)


def other_size(path: Path) -> None:
    Image.fromarray(np.asarray(Image.open(path))[:-2]).save(path)


def foreign_id(path: Path) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 7, dtype=np.uint8)).save(path)


def empty(path: Path) -> None:
    path.write_bytes(b'')


def text(path: Path) -> None:
    path.write_text('no image')


@pytest.mark.parametrize(
    'damage',
    [truncated, rgb, sixteen_bit, other_size, foreign_id, empty, text, Path.unlink],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.parametrize('position', (0, 7))
def test_a_broken_mask_is_named(damage: Callable[[Path], None], position: int, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', good_masks())
    path = data / f'masks/p{position}.png'
    damage(path)
    expect_refusal(tmp_path / 'run', lambda: step_run_config(data, tmp_path / 'run', 'mib'), str(path))


@pytest.mark.parametrize('damage', [empty, text, Path.unlink], ids=lambda damage: damage.__name__)
def test_a_broken_image_is_named(damage: Callable[[Path], None], tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', good_masks())
    path = data / 'images/p3.png'
    damage(path)
    expect_refusal(tmp_path / 'run', lambda: step_run_config(data, tmp_path / 'run', 'mib'), str(path))


@pytest.mark.parametrize(
    ('lines', 'culprit'),
    [
        ('', 'list.txt'),
        ('\n\n', 'list.txt'),
        ('p1\np2\np1\n', 'p1.png twice'),
        ('../elsewhere/p1\n', 'outside the data set'),
        ('p1\np77\n', 'p77'),
        ('p1\n/etc/hostname\n', 'hostname'),
    ],
)
def test_a_broken_list_is_named(lines: str, culprit: str, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', good_masks())
    (data / 'list.txt').write_text(lines)
    expect_refusal(tmp_path / 'run', lambda: step_run_config(data, tmp_path / 'run', 'mib'), culprit)


@pytest.mark.parametrize('name', ['wei\u00dfer B\u00e4r', 'two words', '\u732b', 'dots.in.name'])
@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_unusual_names_and_line_ends_work(name: str, newline: str, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', good_masks())
    for part in ('images', 'masks'):
        os.rename(data / part / 'p3.png', data / part / f'{name}.png')
    names = [name if index == 3 else f'p{index}' for index in range(8)]
    (data / 'list.txt').write_bytes(newline.join(names).encode())
    runner = IncrementalRunner.from_cfg(step_run_config(data, tmp_path / 'run', 'mib'))
    assert sum(runner.experiment.num_images) >= 6


@pytest.mark.parametrize(
    ('arguments', 'culprit'),
    [
        (['no/such/config.py'], 'no/such/config.py'),
        (['CONFIG', '--method', 'mibb'], '--method'),
        (['CONFIG', '--steps', '0-x'], '--steps'),
        (['CONFIG', '--cfg-options', 'train_pipeline.99.type=A'], '--cfg-options'),
        (['BROKEN'], 'broken.py'),
        (['CONFIG', '--protocol', '15-4'], 'protocol.name'),
        (['CONFIG', '--base-from', 'nowhere'], 'nowhere'),
    ],
)
def test_the_tool_ends_with_one_line(
    arguments: list[str], culprit: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'broken.py').write_text('model = dict(\n')
    places = {'CONFIG': 'configs/shapes/shapes_smoke.py', 'BROKEN': str(tmp_path / 'broken.py')}
    arguments = [places.get(item, item) for item in arguments]
    assert main([*arguments, '--work-dir', str(tmp_path / 'run')]) == 2
    line = capsys.readouterr().err
    assert culprit in line and line.startswith('error: ') and 'Traceback' not in line
