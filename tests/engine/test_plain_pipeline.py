"""Test pipelines for plain MMSegmentation."""

from __future__ import annotations

import mmciss.register_all  # noqa: F401
from mmciss.engine.plain_pipeline import without_mmciss

PACK = dict(type='PackSegInputs')


def test_plain_mmsegmentation_gets_its_own_transforms_only() -> None:
    found = without_mmciss(
        [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='SegCenterCrop', crop_size=96), PACK]
    )
    assert [item['type'] for item in found] == ['LoadImageFromFile', 'Resize', 'LoadAnnotations', 'PackSegInputs']
    assert found[1]['scale'][1] == 96 and found[1]['keep_ratio']
