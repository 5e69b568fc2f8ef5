"""Pipelines of the model and of plain MMSegmentation."""

from __future__ import annotations

import mmciss.register_all
from mmciss.extend.pipelines import crop_of, default_train_pipeline, with_crop, with_labels

PACK = dict(type='PackSegInputs')


def test_labels_are_loaded_as_they_are() -> None:
    assert with_labels([dict(type='LoadAnnotations', reduce_zero_label=True, imdecode_backend='cv2'), PACK]) == [
        dict(type='LoadAnnotations', imdecode_backend='cv2'),
        PACK,
    ]
    assert with_labels([PACK]) == [dict(type='LoadAnnotations'), PACK]


def test_crops() -> None:
    pipeline = default_train_pipeline(96, [(120, 160)])
    assert crop_of(pipeline) == (96, 96) and crop_of([PACK]) is None
    assert crop_of(with_crop(pipeline, (64, 32))) == (64, 32) and crop_of(pipeline) == (96, 96)
    assert crop_of(with_crop([dict(type='SegRandomResizedCrop', crop_size=96)], (64, 64))) == (64, 64)
    assert with_crop([PACK], (8, 8))[0]['type'] == 'RandomCrop'
