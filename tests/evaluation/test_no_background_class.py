"""Data without a background class: the model's channel 0 stays out of headline and figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmciss.evaluation.merge import merge_runs
from mmciss.evaluation.merged_text import headline
from mmciss.evaluation.plots import plot_curves, plot_heatmap
from mmciss.evaluation.report_text import run_text
from mmciss.evaluation.run_record import RunRecord, read_run
from mmciss.evaluation.summary import summarize_run
from tests.evaluation.synthetic_run import write_run


@pytest.fixture
def records(tmp_path: Path) -> tuple[RunRecord, RunRecord]:
    """The same run on data with a background class, and on data without."""
    found = []
    for name, value in (('with', True), ('without', False)):
        folder = write_run(tmp_path / name, sizes=(4, 2), names=list('abcde'))
        for path in folder.glob('step_*/result.json'):
            path.write_text(json.dumps(json.loads(path.read_text()) | {'data_background': value}))
        found.append(read_run(folder))
    return found[0], found[1]


def test_headline_and_tables_leave_it_out(records: tuple[RunRecord, RunRecord]) -> None:
    first, second = map(summarize_run, records)
    assert first['summary'] == second['summary'], 'report.json has both conventions'
    text = run_text(second, [])
    lead = text.split('## Step by step')[0]
    assert '| without background' in lead and '| with background' not in lead
    assert 'no background class' in lead and 'old (3)' in lead and 'all (5)' in lead
    step = next(line for line in text.split('## Step by step')[1].splitlines() if line.startswith('| 1 '))
    assert f'{second["steps"][1]["all_no_background"]:.1f}' in step and 'w/o bg' not in text
    assert 'old (4)' in run_text(first, []) and 'no background class' not in run_text(first, [])


def test_figures_leave_it_out(records: tuple[RunRecord, RunRecord]) -> None:
    report = summarize_run(records[1])
    main, side = plot_heatmap(report).axes[:2]
    np.testing.assert_allclose(main.images[0].get_array()[1], report['iou'][1][1:])
    assert [label.get_text() for label in main.get_xticklabels()] == list('abcde')
    assert sorted({line.get_xdata()[0] for line in main.lines}) == [2.5]
    assert side.images[0].get_array()[1, 2] == report['steps'][1]['all_no_background']
    axes = plot_curves(report).axes[0]
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), [step['all_no_background'] for step in report['steps']])
    assert axes.get_ylabel() == 'mean IoU (%)'
    assert f'{report["summary"]["exclude"]["without_background"]["average"]:.1f}' in axes.get_xlabel()


def test_merged_reports_leave_it_out(records: tuple[RunRecord, RunRecord]) -> None:
    (first,) = merge_runs([records[0]])
    (second,) = merge_runs([records[1]])
    assert 'w/o bg' in headline([first]) and 'w/o bg' not in headline([second])
    assert 'no background class' in headline([second]) and 'old (3)' in headline([second])
    without = second['rows'][0]['scores']['without_background']['all']['mean']
    assert f'{without:.1f}' in headline([second])
    assert second['rows'][0]['curve']['mean'][-1] == pytest.approx(without)
    assert len(merge_runs(records)) == 2, 'they are different problems'
