"""The report's IoU beside MMSegmentation's own IoUMetric, on data sets that label different classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image

from mmciss.apis import extend
from mmciss.protocols.labels import UNKNOWN
from tests.extend.samples import OLD, SIDE, STUFF, data_config, train_model, write_images, write_model

NEW = ('fork', 'pallet')
IDS = (0, 1, 2, 3, 4)
KNOWN = {index: index for index in (0, 1, 2)}
LEARN = dict(classes=NEW, iters=40, batch_size=4, crop_size=SIDE, lr=0.02, method='finetuning')


class KeptMetric(IoUMetric):
    """MMSegmentation's metric, which prints the IoU of the classes, rounded, and forgets them."""

    ious: np.ndarray = np.empty(0)

    def total_area_to_metrics(self, *args: Any, **kwargs: Any) -> Any:
        found = super().total_area_to_metrics(*args, **kwargs)
        KeptMetric.ious = 100 * np.asarray(found['IoU'], dtype=np.float64)
        return found


def relabel(masks: Path, target: Path, table: Mapping[int, int]) -> Path:
    """Writes masks with other ids; what the table does not name becomes 0."""
    lookup = np.zeros(256, np.uint8)
    lookup[list(table)] = list(table.values())
    target.mkdir(parents=True)
    for path in masks.glob('*.png'):
        Image.fromarray(lookup[np.asarray(Image.open(path))]).save(target / path.name)
    return target


@cache
def plain(config: Path, checkpoint: Path, images: Path, masks: Path, names: tuple[str, ...]) -> list[float]:
    """Tests a model as MMSegmentation's tools/test.py does, and returns the IoU of every class in percent."""
    METRICS.register_module(name='KeptMetric', module=KeptMetric, force=True)
    cfg = Config.fromfile(config)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(SIDE, SIDE)),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    dataset = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        pipeline=pipeline,
        test_mode=True,
        metainfo=dict(classes=names),
        data_prefix=dict(img_path=str(images), seg_map_path=str(masks)),
    )
    runner = Runner.from_cfg(
        Config(
            dict(
                default_scope='mmseg',
                model=cfg.model,
                load_from=str(checkpoint),
                work_dir=str(config.parent / 'plain'),
                experiment_name=f'plain_{masks.parent.name}_{masks.name}_{len(names)}_{config.parent.name}',
                test_dataloader=dict(
                    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset
                ),
                test_cfg=dict(type='TestLoop'),
                test_evaluator=dict(type='KeptMetric'),
                log_level='ERROR',
            )
        )
    )
    found = runner.test()
    assert found['mIoU'] == pytest.approx(np.nanmean(KeptMetric.ious), abs=0.006), 'rounded to two digits'
    return KeptMetric.ious.tolist()


def same(expected: Sequence[float]) -> Any:
    """Equal to all digits that are printed; MMSegmentation divides in float32, which the last bits show."""
    return pytest.approx(list(expected), rel=1e-5, abs=1e-4)


def column(found: Mapping[str, Any], key: str, where: slice = slice(None)) -> list[float | None]:
    """Returns a column of the table of classes."""
    return [item[key] for item in found['classes'][where]]


@pytest.fixture(scope='module')
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A trained model, new images, and an old and a fully labelled test set; extends with chosen test sets."""
    folder = tmp_path_factory.mktemp('case')
    made: dict[tuple[str, ...], dict] = {}
    done: dict[tuple, tuple[Any, dict]] = {}

    def run(names: tuple[str, ...], **tests: Any) -> tuple[Any, dict]:
        place, key = folder / names[0], (names, *sorted(tests.items()))
        if key in done:
            return done[key]
        if names not in made:
            model = write_model(place / 'model', names)
            train_model(*model, *write_images(place / 'train', count=8, ids=(0, 1, 2), seed=1), iters=40, lr=0.2)
            new, masks = write_images(place / 'new', count=8, ids=IDS, seed=2)
            full, labels = write_images(place / 'full', count=6, ids=IDS, seed=3)
            old, old_labels = write_images(place / 'old', count=6, ids=IDS, seed=4)
            old_masks = relabel(old_labels, place / 'old' / 'known', KNOWN)
            made[names] = dict(
                model=model,
                new=(new, relabel(masks, place / 'new' / 'only_new', {3: 1, 4: 2})),
                full=(full, labels),
                old=(old, old_masks),
                old_full=(old, old_labels),
                old_config=data_config(place / 'old.py', old, old_masks, names),
                full_config=data_config(place / 'full.py', full, labels, (*names, *NEW)),
            )
        data = made[names]
        chosen = {
            key: data[value][0] if key == 'val_images' else data[value][1] if key == 'val_masks' else data[value]
            for key, value in tests.items()
        }
        # The same training images every time: what is learned once is tested on several sets.
        out = extend(*data['model'], *data['new'], work_dir=place / 'run', holdout=0.0, **LEARN, **chosen)
        done[key] = out, data
        return out, data

    return run


BOTH = dict(old_val_config='old_config', val_images='full', val_masks='full')


def test_old_classes_on_the_old_images_and_new_ones_on_the_fully_labelled(case: Callable) -> None:
    out, data = case(OLD, **BOTH)
    before = plain(*data['model'], *data['old'], OLD)
    assert column(out.summary, 'before', slice(3)) == same(before)
    assert out.summary['old_before'] == pytest.approx(np.mean(before), abs=1e-4)
    on_full = plain(out.config, out.checkpoint, *data['full'], (*OLD, *NEW))
    assert column(out.summary, 'after', slice(3, 5)) == same(on_full[3:])
    assert out.summary['new_after'] == pytest.approx(np.mean(on_full[3:]), abs=1e-4)
    on_old = plain(out.config, out.checkpoint, *data['old'], (*OLD, *NEW))
    assert column(out.summary, 'after', slice(1, 3)) == same(on_old[1:3]), 'cat and dog'
    assert max(on_full[3:]) > 5, 'a new class was learned, or nothing could be told'
    assert out.summary['all_after'] is None, 'no mean over classes of different images'
    text = out.report.read_text(encoding='utf-8')
    assert 'Judged on the 6 old validation images: background, cat, dog.' in text
    assert 'Judged on the 6 validation images: fork, pallet.' in text
    assert 'means of old and new classes stand on different images' in text
    assert f'{on_full[3]:.2f}' in text and f'{before[1]:.2f}' in text


def test_every_test_set_stands_in_the_report_as_plain_mmsegmentation_measures_it(case: Callable) -> None:
    out, data = case(OLD, **BOTH)
    full, old = out.summary['sets']['new'], out.summary['sets']['old']
    assert column(full, 'after') == same(plain(out.config, out.checkpoint, *data['full'], (*OLD, *NEW)))
    assert column(full, 'before', slice(3)) == same(plain(*data['model'], *data['full'], (*OLD, *NEW))[:3])
    assert column(old, 'after', slice(3, 5)) == [None, None], 'the old test set does not label them'
    assert 'Also labelled in the 6 validation images' in out.report.read_text(encoding='utf-8')


def test_a_new_class_found_where_the_label_says_background_is_not_judged(case: Callable) -> None:
    out, data = case(OLD, **BOTH)
    found = out.summary['sets']['old']
    confusion = np.array(found['confusion'])
    assert confusion[0, 3:].sum() == found['open_pixels'] > 0
    confusion[0, 3:] = 0
    expected = 100 * confusion[0, 0] / (confusion[0].sum() + confusion[:, 0].sum() - confusion[0, 0])
    assert out.summary['classes'][0]['after'] == pytest.approx(expected)
    strict = plain(out.config, out.checkpoint, *data['old'], (*OLD, *NEW))[0]
    assert found['background_if_wrong'] == pytest.approx(strict, abs=1e-4)
    everything = plain(out.config, out.checkpoint, *data['old'], (*OLD, *NEW))
    assert found['plain_mean_after'] == pytest.approx(np.mean(everything[:3]), abs=1e-4)
    assert found['plain_mean_before'] == pytest.approx(found['mean_before'])
    assert f'counted as mistakes, background has {strict:.2f}' in out.report.read_text(encoding='utf-8')


def test_a_fully_labelled_old_test_set_judges_everything(case: Callable) -> None:
    out, data = case(OLD, old_val_config='full_config')
    ious = plain(out.config, out.checkpoint, *data['full'], (*OLD, *NEW))
    assert column(out.summary, 'after') == same(ious)
    assert out.summary['all_after'] == pytest.approx(np.mean(ious), abs=1e-4)
    assert set(column(out.summary, 'judged_on')) == {'old'}


def test_without_a_background_class(case: Callable) -> None:
    out, data = case(STUFF, old_val_config='old_config')
    names = (*STUFF, *NEW)
    assert column(out.summary, 'before', slice(3)) == same(plain(*data['model'], *data['old'], STUFF))
    on_old = plain(out.config, out.checkpoint, *data['old'], names)
    assert column(out.summary, 'after', slice(3)) == same(on_old[:3])
    # The new images label new classes alone; what is not labelled is known to be none of them.
    unlabelled = relabel(data['new'][1], data['new'][1].parent / 'for_plain', {0: UNKNOWN, 1: 3, 2: 4})
    expected = plain(out.config, out.checkpoint, data['new'][0], unlabelled, names)[3:]
    assert column(out.summary, 'after', slice(3, 5)) == same(expected)
    # The written test set says the same to plain MMSegmentation.
    prefix = Config.fromfile(out.config).test_dataloader.dataset.data_prefix
    written = plain(out.config, out.checkpoint, Path(prefix.img_path), Path(prefix.seg_map_path), names)[3:]
    assert written == same(expected)
