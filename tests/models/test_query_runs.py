"""Whole runs of a model that classifies queries: a protocol of two steps, and an extension."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.registry import MODELS
from yapf.yapflib import yapf_api

import mmciss.register_all
from mmciss.apis import extend
from mmciss.apis.train import train
from tests.extend.samples import PREPROCESSOR, STUFF, TEST_PIPELINE, TRAIN_PIPELINE, write_images
from tests.models.tiny_queries import query_segmentor
from tests.step_run import block_masks, step_run_config, write_pictures


@pytest.fixture(autouse=True)
def unformatted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves configs unformatted: formatting them for people takes as long as all the rest."""
    monkeypatch.setattr(yapf_api, 'FormatCode', lambda text, **_: (text, True))


def test_two_steps_by_the_runner(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', block_masks(0, 12))
    cfg = step_run_config(data, tmp_path / 'run', 'mib', run_steps=[0, 1])
    cfg.model = query_segmentor(3, data_preprocessor=cfg.model.data_preprocessor)
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.pipeline = [
            dict(type=kind) for kind in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
        ]
    train(cfg)
    step = tmp_path / 'run' / 'step_1'
    exported = Config.fromfile(step / 'model_config.py')
    assert exported.model.decode_head == query_segmentor(5).decode_head
    plain = init_model(exported, str(step / 'model.pth'), device='cpu')
    assert type(plain.decode_head) is MODELS.get('TinyQueryHead')
    result = inference_model(plain, str(tmp_path / 'data' / 'images' / 'p0.png'))
    assert result.seg_logits.data.shape[0] == 5 and result.seg_logits.data.isfinite().all()


def test_extension_without_a_background_class(tmp_path: Path) -> None:
    model = query_segmentor(3, data_preprocessor=PREPROCESSOR)
    cfg = Config(
        dict(
            model=model,
            train_dataloader=dict(dataset=dict(type='BaseSegDataset', pipeline=TRAIN_PIPELINE)),
            test_dataloader=dict(dataset=dict(type='BaseSegDataset', pipeline=TEST_PIPELINE)),
        )
    )
    torch.manual_seed(0)
    cfg.dump(tmp_path / 'config.py')
    weights = MODELS.build(copy.deepcopy(model)).state_dict()
    meta = dict(dataset_meta=dict(classes=STUFF, palette=[[index] * 3 for index in range(3)]))
    torch.save({'state_dict': weights, 'meta': meta}, tmp_path / 'weights.pth')
    images, masks = write_images(tmp_path / 'new', count=4, ids=(0, 1))
    out = extend(
        tmp_path / 'config.py',
        tmp_path / 'weights.pth',
        images,
        masks,
        classes=['lake'],
        work_dir=tmp_path / 'out',
        iters=2,
        batch_size=2,
    )
    assert out.summary['settings']['method']['value'] == 'lwf_unbiased'
    head = Config.fromfile(out.config).model.decode_head
    assert head.loss_cls.class_weight == [1.0, 1.0, 1.0, 1.0, 0.1] and 'loss_decode' not in head
    before, after = weights, torch.load(out.checkpoint)['state_dict']
    rows = after['decode_head.cls_embed.weight']
    assert rows.shape == (5, 8)
    torch.testing.assert_close(rows[[0, 1, 2, 4]], before['decode_head.cls_embed.weight'], rtol=0, atol=1e-2)
