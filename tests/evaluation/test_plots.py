"""Tests of mmciss.evaluation.plots."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.text import Text

from mmciss.evaluation import plots
from mmciss.evaluation.contact_sheet import contact_sheet, palette_of, read_samples
from mmciss.evaluation.merge import find_runs, merge_runs
from mmciss.evaluation.plots import DPI, plot_comparison, plot_curves, plot_heatmap, spread_out
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


def comparison(decays: dict[str, float], tmp_path: Path) -> Figure:
    """The figure of one run per method."""
    for seed, (method, decay) in enumerate(decays.items()):
        write_run(tmp_path / method, method=method, seed=seed, decay=decay, sizes=(3, 1, 1), names=list('abcd'))
    (problem,) = merge_runs(find_runs([tmp_path]))
    return plot_comparison(problem)


def test_22_methods_are_told_apart_and_no_name_is_cut(tmp_path: Path) -> None:
    figure = comparison({f'Method number {index}': 0.001 + 0.04 * index for index in range(22)}, tmp_path)
    left, right = figure.axes
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in left.lines}
    assert len(left.lines) == len(looks) == 22
    # A colour that comes again has another marker, which stands beside the name.
    beside = [
        (colors.to_hex(mark.get_facecolor()[0]), mark.get_paths()[0].vertices.tobytes()) for mark in left.collections
    ]
    assert len(beside) == len(set(beside)) == 22 and len({color for color, _ in beside}) == len(plots.CYCLE)
    figure.draw_without_rendering()
    written = [*left.texts, *right.get_yticklabels(), *figure.legends[0].get_texts()]
    boxes = [text.get_window_extent() for text in written]
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
    assert all(box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height for box in boxes)
    names = sorted((box for box in boxes[:22]), key=lambda box: box.y0)
    assert all(above.y0 >= below.y0 + 0.8 * below.height for below, above in itertools.pairwise(names))
    assert max(box.x1 for box in names) <= min(label.get_window_extent().x0 for label in right.get_yticklabels())


def test_nothing_at_zero_is_clipped_and_no_half_is_empty(tmp_path: Path) -> None:
    figure = comparison({'forgets': 1e-9}, tmp_path / 'a')
    report = summarize_run(read_run(tmp_path / 'a' / 'forgets'))
    assert report['steps'][2]['old_no_background'] == 0
    figure.draw_without_rendering()
    axes = figure.axes[1]
    place = axes.transData.transform((0, 0))[0] - axes.get_window_extent().x0
    assert place >= 3 * DPI / 72, 'a marker is 5.5 points wide'
    assert plots._limits(3.0)[1] < 11 and 51 < plots._limits(51.0)[1] < 62 and plots._limits(100.0)[1] > 100
    assert plots._limits(float('nan')) == (-2.0, 102.0)


def test_names_are_no_formulas(tmp_path: Path) -> None:
    names = [r'$\frac$', 'a_1^2 $x$', '_d', '100 %']
    record = read_run(write_run(tmp_path / 'run', names=names, sizes=(3, 1, 1), samples=2, method='costs $5 or $6'))
    report = summarize_run(record)
    sheet = contact_sheet(read_samples(record), record.last)
    for figure in (plot_heatmap(report), plot_curves(report), plot_comparison(merge_runs([record])[0]), sheet):
        figure.draw_without_rendering()  # A formula that cannot be read would raise here.
        assert not any(text.get_parse_math() for text in figure.findobj(Text) if '$' in text.get_text())
    assert {text.get_text() for text in sheet.legends[0].get_texts()} == {*names, 'background'}


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

    np.testing.assert_array_equal(palette_of({})[:21], PascalVOCDataset.METAINFO['palette'])
