"""The lines about a protocol and its steps."""

from __future__ import annotations

import numpy as np

from mmciss.engine.display.texts import introduction, table_header, table_row

DETAILS = dict(method='MiB', dataset='ShapesDataset', protocol='15-1', setting='overlapped', model='FCN', machine='CPU')


def result(step: int, right: list[int]) -> dict:
    """A step whose classes have so many right pixels of ten; the others are called background."""
    confusion = np.diag(right)
    confusion[:, 0] += 10 - np.array(right)
    names = ['background', 'disc', 'ring', 'square'][: len(right)]
    return dict(step=step, sizes=[3, 1][: step + 1], classes=names, confusion=confusion.tolist())


def test_introduction() -> None:
    assert introduction(DETAILS, 'work_dirs/x', [15, 1, 1], [793, 92, 129], [1000, 100, 100]) == [
        'MiB on ShapesDataset 15-1, overlapped: 17 classes in 3 steps',
        (
            'step 0: 15 classes, 793 images and 1000 iterations; '
            'steps 1 to 2: 2 classes, 92 to 129 images and 100 iterations each'
        ),
        'FCN on CPU; everything goes to work_dirs/x',
    ]


def test_introduction_of_a_single_step() -> None:
    lines = introduction(DETAILS, 'x', [20], [793], [1000])
    assert lines[0].endswith('20 classes in 1 step')
    assert lines[1] == 'step 0: 20 classes, 793 images and 1000 iterations'


def test_the_base_step_names_what_was_learned_worst() -> None:
    row = table_row(result(0, [10, 9, 4]), None).split()
    assert row == ['0', 'disc,', 'ring', '62.9', '62.9', 'ring', '40.0']


def test_a_later_step_names_what_was_lost_most_and_how_well_the_new_class_is_known() -> None:
    before = result(0, [10, 9, 8])
    row = table_row(result(1, [10, 8, 3, 7]), before)
    assert row.split() == ['1', 'square', '51.8', '70.0', '56.4', 'ring', '-50.0', 'square', '70.0']
    assert 'nothing' in table_row(
        result(1, [10, 9, 8, 10]), before | dict(confusion=[[10, 0, 0], [9, 1, 0], [9, 0, 1]])
    )


def test_columns_line_up_with_their_titles() -> None:
    header, row = table_header(), table_row(result(1, [10, 8, 3, 7]), result(0, [10, 9, 8]))
    assert header.index('learned worst') == row.rindex('square')
    assert header.index('all') + 3 == row.index('56.4') + 4
