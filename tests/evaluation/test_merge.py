"""Tests of mmciss.evaluation.merge, of the report and figure of several runs, and of tools/report.py."""

from __future__ import annotations

import csv
import html
import importlib.util
import json
import shutil
import statistics
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.evaluation.failed_runs import write_failure
from mmciss.evaluation.merge import find_runs, merge_runs
from mmciss.evaluation.merged_text import headline
from mmciss.evaluation.plots import plot_comparison
from mmciss.evaluation.report import write_merged_report, write_report
from mmciss.evaluation.run_record import read_run
from tests.evaluation.synthetic_run import write_run
from tests.paths import ROOT


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('runs')
    for seed, decay in enumerate((0.8, 0.85, 0.83)):
        write_run(folder / f'mib_{seed}', seed=seed, decay=decay)
    write_run(folder / 'ft', method='Fine-tuning', decay=0.2)
    write_run(folder / 'joint', method='Joint', joint=True)
    write_run(folder / 'disjoint', setting='disjoint')
    write_run(folder / 'open', method='PLOP', finished=2)
    return folder


def test_mean_and_deviation_over_seeds(runs: Path) -> None:
    overlapped = next(problem for problem in merge_runs(find_runs([runs])) if problem['setting'] == 'overlapped')
    assert [row['name'] for row in overlapped['rows']] == ['Joint', 'MiB', 'Fine-tuning']  # Best first.
    mib = overlapped['rows'][1]
    finals = [np.nanmean(read_run(runs / f'mib_{seed}').iou()[-1]) for seed in range(3)]
    score = mib['scores']['with_background']['all']
    assert score['values'] == pytest.approx(finals)
    assert score['mean'] == pytest.approx(statistics.mean(finals))
    assert score['std'] == pytest.approx(statistics.stdev(finals))
    assert (mib['n'], mib['seeds'], mib['orders']) == (3, [0, 1, 2], ['natural'])
    assert mib['curve']['mean'][-1] == pytest.approx(score['mean']) and len(mib['curve']['mean']) == 6
    assert overlapped['rows'][0]['scores']['with_background']['all']['std'] is None


def test_protocols_are_not_mixed_and_unfinished_runs_are_named(runs: Path) -> None:
    problems = merge_runs(find_runs([runs]))
    assert sorted((problem['setting'], len(problem['rows'])) for problem in problems) == [
        ('disjoint', 1),
        ('overlapped', 3),
    ]
    assert all(
        problem['unfinished'] == ['open (PLOP on Pascal VOC 15-1, overlapped): 2 of 6 steps'] for problem in problems
    )


def test_failed_runs_are_named_with_the_end_of_their_logs(tmp_path: Path) -> None:
    for name, finished in (('mib', None), ('plop', 2), ('lwf', None)):
        write_run(tmp_path / name, method=name, finished=finished)
    (tmp_path / 'log').write_text('# a *line* of <b>text</b>\n```\nerror: the loss is not finite\n')
    for name in ('plop', 'gone', 'lwf'):
        write_failure(tmp_path / name, 'exit status 1', tmp_path / 'log', '')
    path, (problem,) = write_merged_report([tmp_path], tmp_path / 'out')
    assert [note['name'] for note in problem['failed']] == ['gone', 'plop'], 'lwf was finished by another command'
    text, page = (path.with_suffix(suffix).read_text() for suffix in ('.md', '.html'))
    assert '**Failed: gone (exit status 1); plop (exit status 1).**' in text and 'plop (plop on' in text
    end = '    # a *line* of <b>text</b>\n    ```\n    error: the loss is not finite\n'
    assert text.count(f'The end of `{tmp_path.name}/log`:\n\n{end}') == 2
    assert page.count(f'<pre><code>{html.escape(textwrap.dedent(end))}</code></pre>') == 2
    assert 'gone (exit status 1)' in headline([problem])
    given = [tmp_path / name for name in ('mib', 'gone')]
    assert [record.path for record in find_runs(given)] == given[:1], 'there is nothing of a run that never began'
    with pytest.raises(FileNotFoundError, match='no run has begun in .*gone'):
        find_runs(given[1:])


def test_our_ranking_stands_beside_the_published_one(tmp_path: Path) -> None:
    # Published: RCIL 59.34, PLOP 54.64, MiB 29.29, ILT 8.56, FT 3.97; here all places of the five are turned around.
    methods = ('Fine-tuning', 'ILT', 'MiB', 'PLOP', 'RCIL')
    for index, method in enumerate(methods):
        write_run(tmp_path / method, method=method, decay=0.9 - 0.1 * index)
    write_run(tmp_path / 'joint', method='Joint', joint=True)
    write_run(tmp_path / 'own', method='Ours', decay=0.95)
    path, (problem,) = write_merged_report([tmp_path], tmp_path / 'out')
    ranking = problem['ranking']
    assert [item['name'] for item in ranking['methods']] == list(methods), 'neither joint training nor our own'
    assert [item['published_place'] for item in ranking['methods']] == [5, 4, 3, 2, 1]
    assert ranking['n'] == {'all': 5, 'models_background': 3}
    assert ranking['correlation'] == {'all': pytest.approx(-1), 'models_background': pytest.approx(-1)}
    text = path.read_text()
    assert 'as published: -1.00 for the 5 methods, -1.00 for the 3 that model the background.**' in text
    assert 'More than' not in text, 'no method is more than five places away'
    assert 'that model the background' in (tmp_path / 'out' / 'report.html').read_text()


def test_held_out_training_images_are_never_mixed_with_test_images(tmp_path: Path) -> None:
    write_run(tmp_path / 'chosen', held_out=0.2)
    write_run(tmp_path / 'final', seed=1)
    path, problems = write_merged_report([tmp_path], tmp_path / 'out')
    assert [problem['problem'] for problem in problems] == [
        'Pascal VOC 15-1, overlapped, tested on 20 % of the training images',
        'Pascal VOC 15-1, overlapped',
    ]
    assert [bool(problem['published']) for problem in problems] == [False, True]
    assert '## Pascal VOC 15-1, overlapped, tested on 20 % of the training images\n' in path.read_text()
    rows = list(csv.DictReader((tmp_path / 'out' / 'report.csv').open()))
    assert {row['held_out'] for row in rows if row['origin'] == 'ours'} == {'0.200000', '0.000000'}
    report = write_report(tmp_path / 'chosen').read_text()
    assert 'tested on 20 % of the training images\n' in report and '1449 held-out training images' in report
    assert 'test images.' not in report.split('## Result')[0] and 'Beside the published' not in report


def test_files(runs: Path, tmp_path: Path) -> None:
    path, _ = write_merged_report([runs], tmp_path / 'out')
    text = path.read_text()
    assert text.index('## Pascal VOC 15-1, disjoint') and text.index('## Pascal VOC 15-1, overlapped')
    for expected in (
        '±',
        'PLOP paper (official)',
        'Published results of other methods',
        '54.6',
        'not finished',
        'SDR',
        '| FT ',
    ):
        assert expected in text
    assert 'nan' not in text and 'None' not in text
    rows = list(csv.DictReader((tmp_path / 'out' / 'report.csv').open()))
    mib = next(row for row in rows if row['method'] == 'MiB' and row['runs'] == '3')
    problems = json.loads((tmp_path / 'out' / 'report.json').read_text())
    (scores,) = [row['scores']['with_background'] for problem in problems for row in problem['rows'] if row['n'] == 3]
    assert float(mib['old']) == pytest.approx(scores['old']['mean'], abs=1e-6)
    assert float(mib['old_std']) == pytest.approx(scores['old']['std'], abs=1e-6)
    assert any(row['origin'] == 'PLOP paper' and row['all'] == '54.640000' for row in rows)
    for name in ('pascal_voc_15_1_overlapped', 'pascal_voc_15_1_disjoint'):
        image = np.asarray(Image.open(tmp_path / 'out' / 'figures' / f'{name}.png').convert('RGB'))
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50


def test_figure_shows_every_method_and_the_published_results(runs: Path) -> None:
    problem = next(problem for problem in merge_runs(find_runs([runs])) if problem['setting'] == 'overlapped')
    left, right = plot_comparison(problem).axes
    assert {text.get_text() for text in left.texts} == {'Joint', 'MiB', 'Fine-tuning'}
    assert [label.get_text() for label in right.get_yticklabels()] == ['Joint', 'MiB  (n=3)', 'Fine-tuning']
    hollow = [line for line in right.lines if line.get_fillstyle() == 'none']
    assert sorted(hollow[1].get_xdata()) == [29.29, 32.2]  # MiB with background; the paper's own leaves it out.


def test_same_run_twice(runs: Path) -> None:
    with pytest.raises(ConfigError, match='given twice: .*ft'):
        find_runs([runs / 'ft', runs])


def test_a_copy_of_a_run(tmp_path: Path) -> None:
    first = write_run(tmp_path / 'a', sizes=(2, 1), names=('x', 'y'))
    shutil.copytree(first, tmp_path / 'b')
    write_run(tmp_path / 'c', sizes=(2, 1), names=('x', 'y'), seed=1)
    with pytest.raises(ConfigError, match='/b: the same run as .*/a: experiment, seed and all confusion'):
        find_runs([tmp_path])
    assert len(find_runs([tmp_path / 'a', tmp_path / 'c'])) == 2, 'another seed is another run'
    write_run(tmp_path / 'd', sizes=(2, 1), names=('x', 'y'), method='other')
    assert len(find_runs([tmp_path / 'a', tmp_path / 'd'])) == 2, 'another method may come to the same result'


def test_nothing_complete(runs: Path) -> None:
    with pytest.raises(ConfigError, match='open has 2 of 6 steps'):
        merge_runs(find_runs([runs / 'open']))


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location('report_tool', ROOT / 'tools' / 'report.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tool_on_one_run(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write_run(tmp_path / 'run', finished=1)
    assert tool.main([str(folder)]) == 0
    assert 'old (16)' in capsys.readouterr().out and (folder / 'report.md').exists()


def test_tool_on_several_runs(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_run(tmp_path / 'a'), write_run(tmp_path / 'b', method='PLOP')
    assert tool.main([str(tmp_path / 'a'), str(tmp_path / 'b')]) == 0
    out = capsys.readouterr().out
    assert 'MiB' in out and 'PLOP' in out and '![' not in out
    assert (tmp_path / 'merged_report' / 'report.md').exists()


def test_tool_explains_errors(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert tool.main([str(tmp_path)]) == 2
    assert 'is not a run folder: looked for run.json' in capsys.readouterr().err
