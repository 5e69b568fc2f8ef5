"""Which images a run keeps, and that nothing but data, options and seed decides it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS

import mmciss.register_all
from mmciss.datasets.exemplars import Memory
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.memory import memory_options, store_exemplars
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.errors import ConfigError
from mmciss.utils.files import file_checksum, write_json
from tests.datasets.voc_folder import PIPELINE, voc_config, write_voc

# Steps of 15-1: base 1..15, then 16, 17, 18, 19, 20.
IMAGES = [[1], [1, 16], [2], [3, 17], [16], [16, 17], [17], [18], [19], [20], [1, 2]]


@pytest.fixture(autouse=True)
def mmseg_scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@TRANSFORMS.register_module(force=True)
class LeftHalfOfATest(BaseTransform):
    """Keeps the left half."""

    def transform(self, results: dict) -> dict:
        half = results['img'].shape[1] // 2
        results['img'], results['gt_seg_map'] = results['img'][:, :half], results['gt_seg_map'][:, :half]
        return results


def experiment(
    root: Path, seed: int = 0, protocol: str = '15-1', pipeline: list | None = None, **memory: object
) -> Experiment:
    data = voc_config(
        root / 'data' if (root / 'data').exists() else write_voc(root / 'data', IMAGES), pipeline=pipeline
    )
    loader = dict(batch_size=2, dataset=data)
    return Experiment.from_cfg(
        Config(
            dict(
                protocol=dict(name=protocol),
                method=dict(name='M', memory=memory or None),
                model=dict(decode_head=dict()),
                train_dataloader=loader,
                test_dataloader=loader,
                optim_wrapper=dict(type='O'),
                train_cfg=dict(max_iters=3),
                randomness=dict(seed=seed),
            )
        )
    )


def stored(path: Path | None) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {Path(item.path).stem: (item.step, item.classes) for item in Memory.load(path).exemplars}


def test_candidates_know_the_classes_that_were_labelled(tmp_path: Path) -> None:
    run, kept = RunFolder(tmp_path / 'run'), experiment(tmp_path, size=5)
    assert stored(store_exemplars(run, kept, 0)) == {
        'im0': (0, (1,)),
        'im1': (0, (1,)),
        'im2': (0, (2,)),
        'im3': (0, (3,)),
        'im10': (0, (1, 2)),
    }
    after = stored(store_exemplars(run, kept, 2))
    assert len(after) == 5
    shown = {number for _, numbers in after.values() for number in numbers}
    assert shown == {1, 2, 3, 16, 17}, 'every class so far has an image'
    for name, (step, numbers) in after.items():
        ids = IMAGES[int(name[2:])]
        assert set(numbers) <= set(ids)
        if step == 2:
            assert numbers == (17,), 'other classes of the image were not labelled in step 2'


def test_full_labels_know_all_seen_classes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / 'run')
    after = stored(store_exemplars(run, experiment(tmp_path, size=5, labels='full'), 1))
    for name, (_, numbers) in after.items():
        assert set(numbers) == {number for number in IMAGES[int(name[2:])] if number <= 16}
    assert 16 in {number for _, numbers in after.values() for number in numbers}


def test_crops_may_cut_classes_off(tmp_path: Path) -> None:
    """Masks begin with background, then stripes in order: the left half shows the first class at most."""
    pipeline = [*PIPELINE[:2], dict(type='LeftHalfOfATest'), PIPELINE[2]]
    kept = experiment(tmp_path, pipeline=pipeline, size=5, candidates='crops')
    assert stored(store_exemplars(RunFolder(tmp_path / 'run'), kept, 0)) == {
        'im0': (0, ()),
        'im1': (0, (1,)),
        'im2': (0, ()),
        'im3': (0, (3,)),
        'im10': (0, (1,)),
    }


def test_crops_are_drawn_by_the_seed_alone(tmp_path: Path) -> None:
    pipeline = [*PIPELINE[:2], dict(type='SegRandomResizedCrop', crop_size=8, scale=(0.1, 0.2)), PIPELINE[2]]
    found = [
        store_exemplars(
            RunFolder(tmp_path / str(index)),
            experiment(tmp_path, seed, pipeline=pipeline, size=5, candidates='crops'),
            1,
        )
        for index, seed in enumerate((0, 0, 1))
    ]
    first, again, other = map(stored, found)
    assert first == again and first != other
    for name, (_, numbers) in first.items():
        assert set(numbers) <= set(IMAGES[int(name[2:])])


def test_earlier_files_are_made_if_they_are_missing(tmp_path: Path) -> None:
    """A base step that was taken over, or a run killed before it wrote them."""
    kept = experiment(tmp_path, size=4)
    whole, broken = RunFolder(tmp_path / 'whole'), RunFolder(tmp_path / 'broken')
    for index in range(4):
        last = store_exemplars(whole, kept, index)
    assert stored(store_exemplars(broken, kept, 3)) == stored(last)
    (broken.step(1) / 'memory.json').write_text('{"half')
    (broken.step(3) / 'memory.json').unlink()
    assert stored(store_exemplars(broken, kept, 3)) == stored(last)


def test_a_finished_file_is_left_alone_and_one_of_other_options_is_not(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / 'run')
    path = store_exemplars(run, experiment(tmp_path, size=3), 0)
    before = path.stat().st_mtime_ns
    store_exemplars(run, experiment(tmp_path, size=3), 0)
    assert path.stat().st_mtime_ns == before
    assert len(stored(store_exemplars(run, experiment(tmp_path, size=4), 0))) == 4


def test_an_exchanged_file_is_made_again(tmp_path: Path) -> None:
    """Its checksum stands in the result of its step."""
    kept = experiment(tmp_path, size=3)
    run = RunFolder(tmp_path / 'run')
    write_json(run.step(0) / 'result.json', {'step': 0, 'model': 'model.pth', 'sha256': ''})
    path = store_exemplars(run, kept, 0)
    whole = path.read_text()
    assert run.files(0)['memory.json'] == file_checksum(path)
    path.write_text(whole.replace('"exemplars": [', '"exemplars": [ '))
    assert store_exemplars(run, kept, 0) == path and path.read_text() == whole


def test_the_seed_matters(tmp_path: Path) -> None:
    found = [
        stored(store_exemplars(RunFolder(tmp_path / str(seed)), experiment(tmp_path, seed, size=2), 0))
        for seed in range(4)
    ]
    assert any(item.keys() != found[0].keys() for item in found)


def test_without_memory_there_is_no_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / 'run')
    assert store_exemplars(run, experiment(tmp_path), 0) is None
    assert not (run.step(0) / 'memory.json').exists()


def test_a_memory_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='method.memory.size: 6, but the base step has only 5 images'):
        memory_options(experiment(tmp_path, size=6))
    # A single step keeps nothing.
    assert memory_options(experiment(tmp_path, size=60, protocol='offline')).size == 60
