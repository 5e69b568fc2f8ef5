"""A protocol as rows."""

from __future__ import annotations

import json

from mmciss.protocols import Protocol, describe


def test_one_row_per_step() -> None:
    rows = describe(Protocol.from_lists([['a', 'c'], ['b']], class_names=('a', 'b', 'c')))
    assert rows[1] == {
        'step': 1,
        'numbers': [2],
        'classes': ['b'],
        'domains': [],
        'old_channels': 3,
        'new_channels': 1,
        'channels': 4,
    }
    assert json.loads(json.dumps(rows)) == rows
