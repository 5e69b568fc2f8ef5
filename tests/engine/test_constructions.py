"""How often a run builds what it needs once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.datasets import mask_counts
from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.models.classifiers import probe
from mmciss.protocols.protocol import Protocol
from tests.datasets.voc_folder import PIPELINE
from tests.step_run import block_masks, step_run_config, write_pictures


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Counter:
    """Counts what a run of two steps builds and reads."""
    found: Counter = Counter()
    folder = tmp_path_factory.mktemp('run')
    data = write_pictures(folder / 'data', block_masks(0, 12))
    cfg = step_run_config(data, folder / 'run', 'dkd_m', protocol__name='4-2')
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.pipeline = PIPELINE
    with pytest.MonkeyPatch.context() as patch:

        def count(owner: Any, name: str, key: str) -> None:
            plain = getattr(owner, name)

            def counted(*args: Any, **kwargs: Any) -> Any:
                found[key] += 1
                return plain(*args, **kwargs)

            patch.setattr(owner, name, counted)

        count(Protocol, '__post_init__', 'protocols')
        count(IncrementalDataset, '__init__', 'views')
        count(mask_counts, 'load_or_scan', 'scans')
        count(EncoderDecoder, '__init__', 'segmentors')
        count(BaseDecodeHead, '__init__', 'heads')
        patch.setattr(probe, '_FOUND', {})
        train(cfg)
    return found


def test_data_and_protocol_are_resolved_once(built: Counter) -> None:
    assert built['protocols'] == 1
    assert built['views'] == 4, 'two steps, training and test data; validation data are the test data'
    assert built['scans'] == 2, 'masks of the training data and of the test data'


def test_a_step_builds_its_model_for_the_check_for_training_and_as_a_teacher(built: Counter) -> None:
    assert built['segmentors'] == 2 + 2 + 1


def test_no_head_is_built_only_to_see_how_it_grows(built: Counter) -> None:
    """Those of the two models that are checked before training show it."""
    assert built['heads'] == built['segmentors'], 'the network has one head'
