"""Pipelines of the model and of plain MMSegmentation."""

from __future__ import annotations

import mmciss.register_all
from mmciss.extend.pipelines import crop_of, default_train_pipeline, whole_image_pipeline, with_crop, with_labels

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


def test_whole_images_have_masks_of_their_size() -> None:
    """Masks are loaded before the image is resized."""
    resize = dict(type='Resize', scale=(64, 48))
    test = with_labels([dict(type='mmseg.LoadImageFromFile'), resize, PACK])
    assert whole_image_pipeline(test) == [test[0], test[2], resize, dict(type='RandomFlip', prob=0.5), PACK]
    plain = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), PACK]
    flip = dict(type='RandomFlip', prob=0.5)
    assert whole_image_pipeline(plain) == whole_image_pipeline(plain, dict(mode='whole')) == [*plain[:2], flip, PACK]
    window = dict(type='RandomCrop', crop_size=(32, 32))
    sliding = dict(mode='slide', crop_size=(32, 32), stride=(16, 16))
    assert whole_image_pipeline(plain, sliding) == [*plain[:2], window, flip, PACK]
