"""Where the names of a model's classes come from."""

from __future__ import annotations

import mmciss.register_all
from mmciss.datasets.class_names import class_names


def test_names_come_from_checkpoint_config_data_set_or_numbers() -> None:
    data = dict(test=dict(dataset=dict(type='PascalVOCDataset', metainfo=dict(classes=('a', 'b')))))
    assert class_names({'CLASSES': ('x', 'y'), 'PALETTE': [[1, 1, 1], [2, 2, 2]]}, 2, data) == (
        ('x', 'y'),
        ((1, 1, 1), (2, 2, 2)),
        'the checkpoint',
    )
    assert class_names(None, 2, data)[0] == ('a', 'b')
    both = dict(train=dict(metainfo=dict(classes=('c', 'd'))), **data)
    assert class_names(None, 2, both)[0] == ('a', 'b'), 'test data first'
    assert class_names({'CLASSES': ('x',)}, 21, data)[0][15] == 'person', 'a list of another length is not meant'
    assert class_names(None, 3, data) == (('class_0', 'class_1', 'class_2'), (), 'numbers, since no names were found')
