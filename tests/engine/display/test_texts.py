"""The lines about a protocol and its steps."""

from __future__ import annotations

import numpy as np

from mmciss.engine.display.texts import conclusion, introduction, table_header, table_row

DETAILS = dict(method='MiB', dataset='ShapesDataset', protocol='15-1', setting='overlapped', model='FCN', machine='CPU')


def result(step: int, right: list[int]) -> dict:
    """A step whose classes have so many right pixels of ten; the others are called background."""
    confusion = np.diag(right)
    confusion[:, 0] += 10 - np.array(right)
    names = ['background', 'disc', 'ring', 'square'][: len(right)]
    return dict(step=step, sizes=[3, 1][: step + 1], classes=names, confusion=confusion.tolist())


def test_introduction() -> None:
    assert introduction(DETAILS, 'work_dirs/x', [15, 1, 1], [793, 92, 129], [1000, 100, 100]) == [
        'MiB on Shapes 15-1, overlapped: 17 classes in 3 steps',
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
    little = result(1, [10, 9, 8, 10]) | dict(confusion=np.diag([10, 9999, 8, 10]).tolist())
    little['confusion'][1][3] = 1
    earlier = before | dict(confusion=np.diag([10, 10000, 8]).tolist())
    assert 'nothing' in table_row(little, earlier), 'rather than -0.0'


def test_a_background_that_the_data_do_not_have_is_not_named() -> None:
    before, after = result(0, [10, 9, 8]), result(1, [2, 9, 8, 7])
    assert ' backg' in table_row(after, before)
    assert ' backg' not in table_row(after | dict(data_background=False), before)
    without = dict(background=False, data_background=False, classes=['disc', 'ring', 'square', 'star'])
    assert 'disc -14.4' in table_row(after | without, before | without | dict(classes=without['classes'][:3]))


def test_the_result_in_a_sentence() -> None:
    def said(forgetting: float) -> str:
        scores = dict(old=70.04, new=60.0, all=68.0, forgetting=forgetting)
        report = dict(run=dict(method='MiB'), last_step=5, summary=dict(exclude=dict(without_background=scores)))
        (line,) = conclusion(report)
        return line

    assert said(3.06) == (
        'MiB after step 5: mean IoU old 70.0, new 60.0, all 68.0 %; classes lost 3.1 points since they were known best.'
    )
    assert said(-0.01).endswith('all 68.0 %; nothing was forgotten.') and said(-3.0) == said(0.0)
    assert conclusion(dict(summary={})) == []


def test_columns_line_up_with_their_titles() -> None:
    header, row = table_header(), table_row(result(1, [10, 8, 3, 7]), result(0, [10, 9, 8]))
    assert header.index('learned worst') == row.rindex('square')
    assert header.index('all') + 3 == row.index('56.4') + 4


def test_the_table_fits_a_terminal_and_cuts_names_rather_than_values() -> None:
    names = ['background', 'a very long name of a class', 'another quite long name', 'and a third long name', 'short']
    before = result(0, [10, 9, 8]) | dict(classes=names[:3])
    after = result(1, [10, 1, 8, 7]) | dict(classes=names[:4])
    rows = [table_header(), table_row(before, None), table_row(after, before)]
    assert max(map(len, rows)) <= 80
    assert rows[1].endswith('another… 80.0') and rows[1][6:26] == 'a very long name of…'
    assert rows[2].endswith('a very l… -80.0  and a th… 70.0')
    many = dict(classes=['background', 'hourglass', 'chevron', 'house'], sizes=[3])
    assert 'hourglass and 2 more' in table_row(result(0, [10, 9, 8, 7]) | many, None)
