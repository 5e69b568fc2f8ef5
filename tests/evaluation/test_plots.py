"""Tests of mmciss.evaluation.plots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmciss.evaluation.figure_style import default_palette
from mmciss.evaluation.plots import plot_curves, plot_heatmap, spread_out
from mmciss.evaluation.run_record import read_run
from mmciss.evaluation.summary import summarize_run
from tests.evaluation.synthetic_run import write_run


def test_heatmap_shows_the_matrix_and_marks_arrivals(tmp_path: Path) -> None:
    report = summarize_run(read_run(write_run(tmp_path / 'run')))
    main, side = plot_heatmap(report).axes[:2]
    shown = main.images[0].get_array()
    assert shown.shape == (6, 21) and shown.mask[0, 16:].all() and not shown.mask[5].any()
    np.testing.assert_allclose(shown[5], report['iou'][5])
    assert sorted({line.get_xdata()[0] for line in main.lines}) == [15.5, 16.5, 17.5, 18.5, 19.5]
    assert len(main.texts) == 21 * 6 - 15  # No number where a class is not learned yet.
    assert side.images[0].get_array()[5, 2] == report['steps'][5]['all']


def test_wide_heatmap_has_no_numbers(tmp_path: Path) -> None:
    names = [f'class {index}' for index in range(60)]
    report = summarize_run(read_run(write_run(tmp_path / 'run', names=names, sizes=(41, 10, 10))))
    assert not plot_heatmap(report).axes[0].texts


def test_curves_are_the_numbers(tmp_path: Path) -> None:
    report = summarize_run(read_run(write_run(tmp_path / 'run', finished=4)))
    axes = plot_curves(report).axes[0]
    old, new, every = axes.lines
    assert list(old.get_xdata()) == [0, 1, 2, 3] and list(new.get_xdata()) == [1, 2, 3]
    np.testing.assert_allclose(every.get_ydata(), [step['all'] for step in report['steps'][:4]])
    assert axes.get_xlim()[1] > 5  # The steps to come have room.


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.floats(0.5, 8))
def test_labels_keep_their_distance(values: list[float], gap: float) -> None:
    values = sorted(values)
    moved = spread_out(values, gap)
    assert (np.diff(moved) >= gap - 1e-6).all()
    assert abs(np.mean(moved) - np.mean(values)) < 1e-6
    if (np.diff(values) > gap).all():
        np.testing.assert_allclose(moved, values)


def test_palette_is_the_one_of_voc() -> None:
    from mmseg.datasets import PascalVOCDataset

    np.testing.assert_array_equal(default_palette(21), PascalVOCDataset.METAINFO['palette'])
