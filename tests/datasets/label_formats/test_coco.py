"""COCO: polygons, run lengths, crowds and boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from mmciss.datasets.label_formats.coco import decompress
from tests.datasets.label_formats.exports import check_refused, coco, convert, edit_json, truth


def test_overlaps_crowds_and_boxes_are_said(tmp_path: Path) -> None:
    full = np.asfortranarray(np.pad(np.ones((2, 12), np.uint8), ((0, 6), (0, 0))))
    crowd = dict(coco_mask.encode(full))
    crowd['counts'] = crowd['counts'].decode()
    more = [
        dict(id=3, image_id=7, category_id=30, segmentation=crowd, iscrowd=1),  # rows 0 and 1
        dict(id=4, image_id=7, category_id=20, segmentation=[[7, 7, 9, 7, 9, 8, 7, 8]]),  # over the fork
        dict(id=5, image_id=7, category_id=20, segmentation=[], bbox=[0, 6, 2, 2]),
    ]
    export = edit_json(coco(tmp_path), lambda content: content['annotations'].extend(more))
    found, mask = convert(export, tmp_path)
    expected = truth()
    expected[:2] = 255
    expected[7, 7:9] = 1
    expected[6:8, 0:2] = 255
    np.testing.assert_array_equal(mask, expected)
    assert found.overlaps == (1, 4 + 2), 'the row of the box below the crowd, and the two pixels of the fork'
    text = '\n'.join(found.lines())
    assert 'Warning: 1 crowd regions, whose pixels are ignored.' in text
    assert 'Warning: 1 objects with a box but no outline' in text
    assert 'Warning: regions of different classes overlap in 1 images (6 pixels)' in text


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda first, _: first.update(category_id=3),
            r'annotation 1: category_id 3 is no category. Allowed are 30 \(fork\), 20 \(box\)',
        ),
        (lambda first, _: first.update(image_id=3), 'annotations have the image_id 3, no image has it'),
        (
            lambda _, second: second['segmentation'].update(counts=[3]),
            'annotation 2: segmentation.counts must be counts of 96 pixels',
        ),
        *(
            (lambda _, second, text=text: second['segmentation'].update(counts=text), 'must be counts of 96 pixels')
            for text in ('', 'abc', '0000', 'oooo', 'é')
        ),
        (
            lambda first, _: first.update(segmentation=[[1, 2, 3, 4]]),
            'annotation 1: a polygon needs at least three points',
        ),
    ],
    ids=['category', 'image', 'counts', *(f'compressed {n}' for n in range(5)), 'two points'],
)
def test_what_is_wrong_is_named(change: Callable[[Any, Any], object], message: str, tmp_path: Path) -> None:
    export = edit_json(coco(tmp_path), lambda content: change(*content['annotations']))
    check_refused(export, message, tmp_path)


@given(arrays(bool, (9, 40)))
def test_compressed_run_lengths(mask: np.ndarray) -> None:
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))['counts'].decode()
    counts = decompress(encoded)
    np.testing.assert_array_equal(np.repeat(np.arange(len(counts)) % 2, counts), mask.ravel(order='F'))
