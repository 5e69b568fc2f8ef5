"""The data of a run, read once and viewed by every step."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import pytest
from mmcv.transforms import BaseTransform
from mmengine.config import ConfigDict
from mmseg.registry import DATASETS, TRANSFORMS

import mmciss.register_all
from mmciss.datasets import mask_counts
from mmciss.datasets.protocol_data import ProtocolData
from mmciss.errors import ConfigError
from mmciss.protocols import Protocol
from tests.datasets.voc_folder import PIPELINE, voc_config, write_voc

IMAGES = [[1], [16], [1, 16], [17], [16, 17], [2, 255], []]
PROTOCOL = dict(name='15-5', setting='overlapped', label_policy='mib')


@TRANSFORMS.register_module(force=True)
class CountCalls(BaseTransform):
    """Remembers how often it was called, as no transform should."""

    calls = 0

    def transform(self, results: dict) -> dict:
        self.calls += 1
        results['img'] = results['img'] * 0 + self.calls
        return results


COUNTING = [*PIPELINE[:2], dict(type='CountCalls'), PIPELINE[2]]


def config(root: Path, **splits: Any) -> ConfigDict:
    plain = ConfigDict(voc_config(write_voc(root, IMAGES)))
    return ConfigDict(
        {f'{split}_dataloader': dict(dataset=splits.get(split, plain)) for split in ('train', 'val', 'test')},
        protocol=PROTOCOL,
    )


def plain_view(cfg: ConfigDict, split: str, **changes: Any) -> dict[str, Any]:
    """Returns the config of a view as it stands in the config of step 1."""
    return dict(
        type='IncrementalDataset',
        dataset=copy.deepcopy(cfg[f'{split}_dataloader'].dataset),
        protocol=dict(name='15-5', setting='overlapped'),
        step_index=1,
        policy='mib',
        split=split,
        **changes,
    )


def test_views_are_made_once_and_validation_shares_the_test_datas(tmp_path: Path) -> None:
    data = ProtocolData.from_cfg(config(tmp_path))
    assert data.dataset(1, 'train') is data.dataset(1, 'train') is not data.dataset(0, 'train')
    assert data.dataset(1, 'val') is data.dataset(1, 'test') is not data.dataset(1, 'train')
    assert data.dataset(1, 'train').indices.tolist() == [1, 2, 3, 4]
    assert data.dataset(1, 'test').indices.tolist() == [0, 1, 2, 3, 4, 5]
    sources = {id(data.dataset(index, split).source) for index in (0, 1) for split in ('train', 'val', 'test')}
    assert len(sources) == 1, 'all three splits are the same data here'
    assert data.splits == ('train', 'val', 'test') and data.classes[16] == 'pottedplant'


def test_masks_are_scanned_once_per_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = voc_config(write_voc(tmp_path / 'other', [[1], [16]]))
    scans = []
    load = mask_counts.load_or_scan
    monkeypatch.setattr(mask_counts, 'load_or_scan', lambda *args, **kwargs: scans.append(1) or load(*args, **kwargs))
    data = ProtocolData.from_cfg(config(tmp_path / 'train', val=other, test=other))
    for split in ('train', 'val', 'test'):
        for index in (0, 1):
            assert len(data.dataset(index, split))
    assert len(scans) == 2


def test_a_plain_config_is_built_of_what_is_known(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    data = ProtocolData.from_cfg(cfg)
    assert data.build(plain_view(cfg, 'train')) is data.dataset(1, 'train')
    assert data.build(plain_view(cfg, 'val', classes=list(data.classes))) is data.dataset(1, 'test')


def test_what_a_step_changes_is_obeyed(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    data = ProtocolData.from_cfg(cfg)
    known = data.dataset(1, 'train')
    seeded = data.build(plain_view(cfg, 'train', seed=3))
    assert seeded is not known and seeded.seed == 3 and seeded.source is known.source
    cfg.train_dataloader.dataset.pipeline = COUNTING
    changed = data.build(plain_view(cfg, 'train'))
    assert changed.protocol is known.protocol and changed.source is not known.source
    assert changed[0]['inputs'].unique().tolist() == [1]
    other = data.build({**plain_view(cfg, 'train'), 'protocol': dict(name='15-1')})
    assert len(other.protocol) == 6


def test_built_values_are_enough(tmp_path: Path) -> None:
    built = DATASETS.build(voc_config(write_voc(tmp_path, IMAGES)))
    protocol = Protocol.from_name('15-5', 20, class_names=built.METAINFO['classes'][1:])
    data = ProtocolData(dict(train=built, test=built), protocol, policy='ssul')
    assert data.protocol is protocol and data.dataset(1, 'train').protocol is protocol
    assert len(data.dataset(0, 'test')) == len(IMAGES), "the policy 'ssul' tests on all images"
    assert data.splits == ('train', 'test')


def test_copies_share_everything_but_what_transforms_remember(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    cfg.train_dataloader.dataset.pipeline = COUNTING
    data = ProtocolData.from_cfg(cfg)
    view = data.dataset(0, 'train')
    assert [view[0]['inputs'].unique().item() for _ in range(2)] == [1, 2]
    for other in (data.dataset(1, 'train'), copy.deepcopy(view), copy.deepcopy(dict(dataset=view))['dataset']):
        assert other[0]['inputs'].unique().tolist() == [1], 'calls of one data set do not affect another'
        assert other.source is view.source and other.protocol is view.protocol
        assert other._parts[0].data_bytes is view._parts[0].data_bytes
    assert view[0]['inputs'].unique().tolist() == [3]
    assert copy.deepcopy(view).indices is view.indices


def test_transforms_that_cannot_be_copied_are_shared(tmp_path: Path) -> None:
    class Locked:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __call__(self, results: dict) -> dict:
            return results

    cfg = config(tmp_path)
    built = DATASETS.build(dict(cfg.train_dataloader.dataset, pipeline=[*PIPELINE[:2], Locked(), PIPELINE[2]]))
    view = ProtocolData(dict(train=built), PROTOCOL).dataset(1, 'train')
    assert view[0]['data_samples'].gt_sem_seg.data.unique().tolist() == [0, 16]
    assert built[1]['data_samples'].gt_sem_seg.data.unique().tolist() == [0, 16]


def test_validation_data_need_labels_though_test_data_do_not(tmp_path: Path) -> None:
    bare = voc_config(write_voc(tmp_path / 'bare', IMAGES), pipeline=[PIPELINE[0], PIPELINE[2]])
    data = ProtocolData.from_cfg(config(tmp_path, val=bare, test=bare))
    assert len(data.dataset(0, 'test'))
    with pytest.raises(ConfigError, match='has neither LoadAnnotations'):
        data.dataset(0, 'val')


def test_errors_name_the_split(tmp_path: Path) -> None:
    cfg = config(tmp_path, test=dict(type='PascalVOCDataset', pipeline=PIPELINE, data_root=str(tmp_path), ann_file='x'))
    data = ProtocolData.from_cfg(cfg)
    with pytest.raises(ConfigError, match='PascalVOCDataset.ann_file: not found'):
        data.dataset(0, 'test')
    cfg.train_dataloader.dataset.unknown = 1
    with pytest.raises(ConfigError, match='train_dataloader.dataset: .*unknown'):
        ProtocolData.from_cfg(cfg)
