"""Tests of mmciss.evaluation.markdown."""

from __future__ import annotations

from mmciss.evaluation.markdown import duration, number, spread, table


def test_numbers() -> None:
    assert [number(value) for value in (1.25, -0.01, None, float('nan'))] == ['1.2', '0.0', '–', '–']
    assert number(-2.0) == '-2.0' and number(-0.04) == '0.0'
    assert spread(10, 1) == '10.0 ± 1.0' and spread(None, None) == '–'
    assert duration(59.6) == '1:00' and duration(None) == '–'


def test_table_is_aligned_in_its_source() -> None:
    lines = table(['class', 'IoU'], [['a|b', '1.0'], ['long name', '100.0']]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == '| --------- | ----: |'
    assert lines[2] == '| a\\|b      |   1.0 |'
