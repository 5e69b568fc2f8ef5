"""Tests of mmciss.evaluation.published and its tables."""

from __future__ import annotations

import pytest

from mmciss.evaluation.published import TOLERANCE, all_published, dataset_of, method_key, published

CONTRADICTING = {
    ('voc', '10-1', 'overlapped', 'LwF-MC'),
    ('voc', '10-1', 'overlapped', 'SDR'),
    ('voc', '10-1', 'overlapped', 'RCIL'),
    ('voc', '19-1', 'overlapped', 'LGKD+PLOP'),
    ('voc', '15-5', 'overlapped', 'LGKD+PLOP'),
    ('voc', '15-1', 'overlapped', 'LGKD+PLOP'),
    ('voc', '19-1', 'overlapped', 'Incrementer (ViT-B)'),
    ('voc', '15-5', 'overlapped', 'Incrementer (ViT-B)'),
    ('voc', '15-1', 'overlapped', 'Incrementer (ViT-B)'),
    ('voc', '5-3', 'overlapped', 'MBS (ViT-B)'),
    ('voc', '19-1', 'overlapped', 'SELECT (ViT)'),
    ('voc', '15-5', 'overlapped', 'SELECT (ViT)'),
    ('voc', '5-3', 'overlapped', 'SELECT (ViT)'),
    ('voc', '15-1', 'disjoint', 'PLOP'),
    ('ade20k', '50-50', 'overlapped', 'RCIL'),
    ('ade20k', '50-50', 'overlapped', 'GSC'),
    ('ade20k', '100-50', 'overlapped', 'LGKD+PLOP'),
    ('ade20k', '50-50', 'overlapped', 'LGKD+PLOP'),
    ('ade20k', '100-50', 'overlapped', 'ECLIPSE (Mask2Former R101)'),
    ('ade20k', '100-10', 'overlapped', 'ECLIPSE (Mask2Former R101)'),
    ('ade20k', '100-5', 'overlapped', 'ECLIPSE (Mask2Former R101)'),
    ('ade20k', '100-50', 'overlapped', 'SimCIS (Mask2Former R101)'),
    ('ade20k', '50-50', 'explicit', 'Joint'),
}
"""Rows whose printed 'all' is not the mean of the printed old and new over classes; kept as
printed, with a note."""


def test_all_is_the_weighted_mean_of_old_and_new() -> None:
    """A misread number breaks this: every full row is checked, exceptions are named."""
    wrong = {
        (row.dataset, row.protocol, row.setting, row.method)
        for row in all_published()
        if row.weighted_mean() is not None and abs(row.weighted_mean() - row.all) > TOLERANCE
    }
    assert wrong == CONTRADICTING
    assert sum(row.weighted_mean() is not None for row in all_published()) == 400
    assert all(
        bool(row.note) == ((row.dataset, row.protocol, row.setting, row.method) in CONTRADICTING)
        for row in all_published()
        if row.weighted_mean() is not None and (row.method, row.protocol) not in (('RCIL', '10-1'), ('RCIL', '50-50'))
    )


def test_background_convention_decides_the_mean() -> None:
    paper, rerun = published('voc', '15-1', 'overlapped', ['MiB'])[:2]
    assert (paper.background, rerun.background) == (False, True)
    assert paper.weighted_mean() == pytest.approx((15 * 35.1 + 5 * 13.5) / 20)
    assert rerun.weighted_mean() == pytest.approx((16 * 34.22 + 5 * 13.50) / 21)


def test_anchors() -> None:
    """Numbers that every paper of the field repeats."""
    plop = published('voc', '15-1', 'overlapped', ['PLOP'])[0]
    assert (plop.old, plop.new, plop.all, plop.average) == (65.12, 21.11, 54.64, 67.21)
    assert [row.all for row in published('cityscapes', '1-1', 'domain')] == [33.0, 31.4, 30.1, 42.2, 45.2, 48.9]
    assert published('ade20k', '100-50', 'explicit', ['MiB'])[0].all == 34.6
    assert [row.all for row in published('voc', '2-1', 'overlapped', ['SSUL-M'])] == [44.74]


@pytest.mark.parametrize(
    'method',
    [
        'FT',
        'LwF',
        'LwF-MC',
        'ILT',
        'MiB',
        'EWC',
        'PI',
        'RW',
        'PLOP',
        'SDR',
        'SDR+MiB',
        'AWT+MiB',
        'RCIL',
        'SSUL',
        'SSUL-M',
        'DKD',
        'DKD-M',
        'GSC',
        'EWF+MiB',
        'DFT*',
        'Joint',
    ],
)
def test_every_shipped_method_has_numbers(method: str) -> None:
    rows = published(methods=[method])
    assert rows and all(0 <= row.all <= 100 for row in rows)


def test_no_row_twice() -> None:
    keys = [(row.dataset, row.protocol, row.setting, row.method, row.source) for row in all_published()]
    assert len(keys) == len(set(keys))
    assert {row.trust for row in all_published()} == {'official', 'recalled', 'quoted'}


def test_spelling_of_methods() -> None:
    assert method_key('Fine-tuning') == method_key('finetuning') == method_key('FT')
    assert method_key('MiB+AWT') == method_key('awt + mib')
    assert method_key('Joint') == method_key('offline')
    assert method_key('SSUL') != method_key('SSUL-M')
    assert method_key('PLOP') != method_key('PLOP (Swin-B)')


def test_dataset_is_recognised_in_any_order() -> None:
    from mmseg.datasets import ADE20KDataset, CityscapesDataset, PascalVOCDataset

    voc = PascalVOCDataset.METAINFO['classes']
    assert dataset_of(voc[::-1]) == dataset_of(voc[1:]) == 'voc'
    assert dataset_of(ADE20KDataset.METAINFO['classes']) == 'ade20k'
    assert dataset_of(('background', *CityscapesDataset.METAINFO['classes'])) == 'cityscapes'
    assert dataset_of([f'shape {index}' for index in range(20)]) is None
