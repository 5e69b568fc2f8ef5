"""Each rule of the diagnosis, on a small training that provokes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.evaluation.diagnosis import Finding, diagnose
from mmciss.utils.files import read_json
from tests.step_run import SIDE, pictures_config, step_run_config

pytestmark = pytest.mark.slow

GREY = (90, 90, 90)
COLORS = np.array([GREY, (230, 20, 20), (20, 230, 20), (20, 20, 230), (230, 230, 20), (20, 200, 200), (20, 20, 190)])
"""Of the classes; the last, which is learned in the last step, looks much like the third."""


def blocks(count: int, seed: int) -> list[np.ndarray]:
    """Draws masks of sixteen blocks."""
    rng = np.random.default_rng(seed)
    side = SIDE // 4
    return [np.kron(rng.choice([0, *range(7)], (4, 4)), np.ones((side, side), dtype=np.int64)) for _ in range(count)]


def write_coloured(folder: Path, masks: list[np.ndarray]) -> None:
    """Writes masks, and pictures in which each class has its colour."""
    rng = np.random.default_rng(0)
    for part in ('images', 'masks'):
        (folder / part).mkdir(parents=True)
    for index, mask in enumerate(masks):
        picture = np.clip(COLORS[mask] + rng.integers(-15, 16, (*mask.shape, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f'images/p{index}.png')
        Image.fromarray(mask.astype(np.uint8)).save(folder / f'masks/p{index}.png')
    (folder / 'list.txt').write_text(''.join(f'p{index}\n' for index in range(len(masks))))


def findings(folder: Path, masks: list[np.ndarray], method: str = 'mib', **options: Any) -> dict[str, list[Finding]]:
    """Learns four classes and then two, and returns what the diagnosis says of each rule."""
    for part, shown in (('train', masks), ('test', blocks(6, 1))):
        write_coloured(folder / part, shown)
    cfg = step_run_config(folder / 'train', folder / 'run', method, protocol__name='4-2')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    for split, part in (('train', 'train'), ('val', 'test'), ('test', 'test')):
        cfg[f'{split}_dataloader'].dataset = {**pictures_config(folder / part), 'pipeline': pipeline}
    cfg.steps = dict(base=dict(iters=150, lr=0.3), later=dict(iters=20, lr=0.05))
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    train(cfg)
    said: dict[str, list[Finding]] = {}
    for finding in diagnose([read_json(folder / f'run/step_{index}/result.json') for index in (0, 1)]):
        said.setdefault(finding.rule, []).append(finding)
    return said


@pytest.fixture(scope='module')
def slow_rate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Finding]]]:
    """A base step that learned its classes, and a later step whose rate is far too low."""
    folder = tmp_path_factory.mktemp('slow')
    return folder / 'run', findings(folder, blocks(16, 0), steps__later__lr=1e-6)


def test_a_rate_that_is_too_low(slow_rate: tuple[Path, dict[str, list[Finding]]]) -> None:
    assert set(slow_rate[1]) == {'not_learned'}
    first, second = slow_rate[1]['not_learned']
    assert first.text.startswith('e was not learned') and second.text.startswith('f was not learned')
    assert 'are called background; the training loss had settled' in first.text and 'steps.later.lr' in first.remedy


def test_background_takes_what_the_labels_hide(slow_rate: tuple[Path, Any], tmp_path: Path) -> None:
    said = findings(tmp_path, blocks(16, 0), 'finetuning', base_from=str(slow_rate[0]))
    (found,) = said['overwritten']
    assert found.text.startswith('background took ') and all(f' {name} (' in found.text for name in 'abd')


def test_a_new_class_takes_the_old_one_that_it_resembles(slow_rate: tuple[Path, Any], tmp_path: Path) -> None:
    said = findings(tmp_path, blocks(16, 0), 'lwf', base_from=str(slow_rate[0]))
    (found,) = [item for item in said['overwritten'] if not item.text.startswith('background')]
    assert found.text.startswith('f took c (')


def test_a_base_step_of_a_few_iterations(tmp_path: Path) -> None:
    said = findings(tmp_path, blocks(16, 0), steps__base__iters=12, steps__base__lr=0.02, steps__later__iters=1)
    (found,) = said['base_too_short']
    assert 'of 4 classes are below 10 % IoU' in found.text and 'steps.base.iters' in found.remedy


def without_last(masks: list[np.ndarray], keep: int) -> list[np.ndarray]:
    """Turns the last class into background but in the first masks."""
    return [mask if index < keep else np.where(mask == 6, 0, mask) for index, mask in enumerate(masks)]


def one_pixel(mask: np.ndarray) -> np.ndarray:
    """Leaves one pixel of the last class."""
    thin = np.where(mask == 6, 0, mask)
    thin[0, 0] = 6
    return thin


@pytest.mark.parametrize(
    ('masks', 'reason'),
    [
        (without_last(blocks(16, 0), 3), r'only [123] training images? show it'),
        ([one_pixel(mask) for mask in blocks(16, 0)], r'it has only 0\.0\d+ % of the labelled pixels of the step'),
    ],
    ids=['few images', 'few pixels'],
)
def test_a_class_that_is_hardly_shown(masks: list[np.ndarray], reason: str, tmp_path: Path) -> None:
    said = findings(tmp_path, masks, steps__base__iters=2, steps__later__iters=2)
    assert re.search(reason, next(item for item in said['not_learned'] if item.text.startswith('f ')).text)


def test_fewer_images_than_a_batch(tmp_path: Path) -> None:
    said = findings(tmp_path, blocks(3, 0), steps__base__iters=1, steps__later__iters=1)
    assert said['few_images'][0].text == 'its 3 training images do not fill a batch of 4.'
