"""Nothing that a step computes may depend on labels that the step must not see."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

import mmciss.register_all
from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.samplers import DrawnIndex
from mmciss.engine.runner.step_config import solves
from mmciss.utils.configs import load_method, method_names
from tests.step_run import (
    Recorder,
    block_masks,
    method_config,
    pictures_config,
    run_step,
    step_run_config,
    untrained_base,
    write_pictures,
)

SETTINGS = ('overlapped', 'disjoint', 'sequential', 'partitioned')
OLD, NEW, FUTURE = (1, 2), (3, 4), (5, 6)
EXEMPLARS = (0, 1, 2)
# Methods without later iterations read labels in passes only, over the same samples.
METHODS = [name for name in method_names() if name != 'joint' and not solves(load_method(name).method)]


def hidden_classes(setting: str) -> tuple[int, ...]:
    """Returns the classes whose labels step 1 must not see, and the background, as which they are labelled there."""
    return (0, *FUTURE) if setting == 'sequential' else (0, *OLD, *FUTURE)


def poison(
    masks: list[np.ndarray],
    step_images: set[int],
    setting: str,
    rng: np.random.RandomState,
    keep_old: tuple[int, ...] = (),
) -> list[np.ndarray]:
    """Changes labels that step 1 must not see.

    In the step's own images the hidden pixels are shuffled, so that every image still shows the classes that decide
    which step sees it; in ``'overlapped'``, where they decide nothing, they get any hidden label instead. Images of
    other steps are shuffled as a whole.

    Args:
        masks: The labels.
        step_images: Which of them step 1 sees.
        setting: The setting.
        rng: Random numbers.
        keep_old: Images whose old labels were stored with them (``method.memory.labels='full'``).
    """
    changed = []
    for index, mask in enumerate(masks):
        mask = mask.copy()
        if index in keep_old:
            mask = shuffled(mask, np.isin(mask, hidden_classes('sequential')), rng)
        elif index not in step_images:
            mask = shuffled(mask, np.ones_like(mask, dtype=bool), rng)
        else:
            chosen = np.isin(mask, hidden_classes(setting))
            mask = shuffled(mask, chosen, rng)
            if setting == 'overlapped':
                mask[chosen] = rng.choice(hidden_classes(setting), size=chosen.sum())
        changed.append(mask)
    return changed


def shuffled(mask: np.ndarray, chosen: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Returns the mask with the labels of the chosen pixels in another order."""
    result = mask.copy()
    result[chosen] = rng.permutation(mask[chosen])
    return result


def step_data(data: Path, setting: str, policy: str = 'plop') -> IncrementalDataset:
    """Returns what step 1 sees."""
    init_default_scope('mmseg')
    return IncrementalDataset(pictures_config(data), dict(name='2-2', setting=setting), 1, policy)


def example_masks(seed: int) -> list[np.ndarray]:
    """Draws masks such that no step is without images."""
    masks = block_masks(seed, 14)
    for index, number in enumerate((*OLD, *NEW, *FUTURE)):
        masks[index][:] = number
    masks[6][:, ::2], masks[7][:, ::2] = NEW  # beside an old or a future class
    masks[6][:, 1::2], masks[7][:, 1::2] = OLD[0], 0
    return masks


@settings(max_examples=3, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(seed=st.integers(0, 2**31 - 1))
@pytest.mark.parametrize('policy', ('mib', 'plop', 'dkd', 'ssul'))
@pytest.mark.parametrize('setting', SETTINGS)
def test_samples_do_not_depend_on_hidden_labels(setting: str, policy: str, seed: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        masks = example_masks(seed)
        ours = step_data(write_pictures(folder / 'clean', masks), setting, policy)
        other = poison(masks, set(ours.indices.tolist()), setting, np.random.RandomState(seed))
        assert any((a != b).any() for a, b in zip(masks, other, strict=True))
        theirs = step_data(write_pictures(folder / 'dirty', other), setting, policy)
        assert ours.indices.tolist() == theirs.indices.tolist()
        assert ours.pixel_counts().tolist() == theirs.pixel_counts().tolist()
        for index in range(len(ours)):
            one, two = (item[DrawnIndex(index, seed=1, draw=index)] for item in (ours, theirs))
            assert torch.equal(one['inputs'], two['inputs']), 'the crop depends on hidden labels'
            assert torch.equal(one['data_samples'].gt_sem_seg.data, two['data_samples'].gt_sem_seg.data)


def first_iteration(data: Path, folder: Path, method: str, **options) -> dict:
    """Returns statistics, losses and gradients of the first iteration of step 1."""
    cfg = step_run_config(data, folder, method, **options)
    if cfg.method.get('memory'):
        cfg.method.memory.size = len(EXEMPLARS)
    recorder = Recorder()
    run_step(cfg, untrained_base(cfg, folder / 'base', EXEMPLARS), recorder)
    return recorder.found


def case(setting: str, method: str):
    return pytest.param(setting, method, id=f'{setting}-{method}')


@pytest.mark.parametrize(
    ('setting', 'method'),
    [case('overlapped', method) for method in METHODS]
    + [case(setting, method) for setting in SETTINGS[1:] for method in ('mib', 'plop', 'dkd_m', 'sdr')],
)
def test_first_iteration_does_not_depend_on_hidden_labels(setting: str, method: str, tmp_path: Path) -> None:
    masks = example_masks(7)
    memory = method_config(method).method.get('memory') or {}
    options = dict(protocol__setting=setting)
    clean = write_pictures(tmp_path / 'clean', masks)
    own = set(step_data(clean, setting).indices.tolist())
    assert len(own) >= 3
    if memory and setting != 'sequential':
        own = own | set(EXEMPLARS)
    kept = EXEMPLARS if memory.get('labels') == 'full' or (setting == 'sequential' and memory) else ()
    other = poison(masks, own, setting, np.random.RandomState(1), keep_old=kept)
    assert any((masks[index] != other[index]).any() for index in own) or setting == 'sequential'
    dirty = write_pictures(tmp_path / 'dirty', other)
    found = first_iteration(clean, tmp_path / 'one', method, **options)
    again = first_iteration(dirty, tmp_path / 'two', method, **options)
    assert found.keys() == again.keys() and any(name.startswith('gradient') for name in found)
    for name, value in found.items():
        same = (
            torch.equal(torch.nan_to_num(value), torch.nan_to_num(again[name]))
            if isinstance(value, torch.Tensor)
            else value == again[name]
        )
        assert same, f'{name} depends on labels that step 1 must not see'


def test_the_test_notices_visible_labels(tmp_path: Path) -> None:
    """Changing labels of new classes does change losses, so the comparison above is not one of constants.

    Half of each image's new pixels become background; exchanging the two new classes would change nothing, because
    their classifiers start equal.
    """
    masks = example_masks(7)
    other = [mask.copy() for mask in masks]
    for mask in other:
        upper = mask[: len(mask) // 2]
        upper[np.isin(upper, NEW)] = 0
    found, again = (
        first_iteration(write_pictures(tmp_path / name, item), tmp_path / f'run_{name}', 'mib')
        for name, item in (('clean', masks), ('dirty', other))
    )
    assert float(found['loss']) != float(again['loss'])
