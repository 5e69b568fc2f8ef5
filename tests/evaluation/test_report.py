"""Tests of mmciss.evaluation.report and what it is made of."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.evaluation.continual import summarize
from mmciss.evaluation.plots import new_figure
from mmciss.evaluation.report import Section, write_report
from mmciss.evaluation.run_record import read_run
from tests.evaluation.synthetic_run import VOC, write_run


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp('runs') / 'mib', samples=3)
    assert write_report(folder) == folder / 'report.md'
    return folder


def test_json_holds_the_numbers(run: Path) -> None:
    report = json.loads((run / 'report.json').read_text())
    expected = summarize(read_run(run).iou(), (16, 1, 1, 1, 1, 1))
    assert report['summary']['exclude']['with_background'] == pytest.approx(expected)
    assert report['complete'] and report['last_step'] == 5
    assert len(report['steps']) == 6 and report['steps'][2]['learns'] == ['sheep']
    assert report['iou'][0][16] is None and len(report['iou'][0]) == 21
    assert report['steps'][0]['new'] is None and report['steps'][5]['new'] == pytest.approx(expected['new'])
    assert report['per_class']['forgetting'][20] is None
    assert {row['method'] for row in report['published']} == {'MiB'} and len(report['published']) == 3


def test_csv_parses_back(run: Path) -> None:
    rows = list(csv.DictReader((run / 'report.csv').open()))
    report = json.loads((run / 'report.json').read_text())
    assert [row['step'] for row in rows] == ['0', '1', '2', '3', '4', '5']
    assert rows[0]['new'] == '' and rows[0]['IoU tvmonitor'] == ''
    for row, step, iou in zip(rows, report['steps'], report['iou'], strict=True):
        assert float(row['all']) == pytest.approx(step['all'], abs=1e-6)
        got = [float(row[f'IoU {name}'] or 'nan') for name in report['classes']]
        np.testing.assert_allclose(got, [np.nan if value is None else value for value in iou], atol=1e-6)


def test_markdown_is_complete(run: Path) -> None:
    text = (run / 'report.md').read_text()
    summary = json.loads((run / 'report.json').read_text())['summary']['exclude']
    assert text.startswith('# MiB on Pascal VOC 15-1, overlapped\n')
    assert f'{summary["with_background"]["old"]:.1f}' in text and f'{summary["without_background"]["all"]:.1f}' in text
    assert 'old (16)' in text and 'new (5)' in text and 'all (21)' in text
    assert all(name in text for name in VOC)
    for expected in (
        '29.7',
        'MiB paper (official)',
        'split hash',
        'version of torch',
        '(figures/heatmap.png)',
        '(figures/curves.png)',
        '(figures/contact_sheet.png)',
    ):
        assert expected in text
    assert 'Not finished' not in text and 'nan' not in text and 'None' not in text


@pytest.mark.parametrize('name', ['heatmap', 'curves', 'contact_sheet'])
def test_figures_show_something(run: Path, name: str) -> None:
    image = np.asarray(Image.open(run / 'figures' / f'{name}.png').convert('RGB'))
    assert image.shape[0] > 200 and image.shape[1] > 400
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50
    assert (image == 255).all(-1).mean() < 0.97


def test_no_temporary_files_stay(run: Path) -> None:
    assert not [path for path in run.rglob('*') if 'tmp' in path.name]


def test_unfinished_run_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', finished=2)
    text = write_report(folder).read_text()
    assert '2 of 6 steps are done (missing: 2, 3, 4, 5)' in text and text.count('not finished') == 4
    report = json.loads((folder / 'report.json').read_text())
    assert not report['complete'] and report['last_step'] == 1
    assert report['steps'][4] == {'step': 4, 'learns': ['train'], 'finished': False}
    assert not (folder / 'figures' / 'contact_sheet.png').exists()


def test_absent_class_gets_both_rules(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', names=('a', 'b', 'c'), sizes=(3, 1), protocol='2-1')
    path = folder / 'step_1' / 'result.json'
    result = json.loads(path.read_text())
    result['confusion'][2] = [0, 0, 0, 0]
    path.write_text(json.dumps(result))
    text = write_report(folder).read_text()
    report = json.loads((folder / 'report.json').read_text())
    assert report['absent_classes'] == ['b'] and report['iou'][1][2] is None
    rules = {rule: report['summary'][rule]['with_background']['all'] for rule in ('exclude', 'zero')}
    assert rules['zero'] == pytest.approx(0.75 * rules['exclude'])
    assert 'Without ground truth in the test images: b' in text and 'absent classes as 0' in text


def test_domains_report_without_background(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', names=('a', 'b'), sizes=(3, 0), protocol='1-1', setting='domain')
    run = json.loads((folder / 'run.json').read_text())
    run['experiment']['protocol']['domains'] = [['aachen'], ['bremen']]
    (folder / 'run.json').write_text(json.dumps(run))
    for step in range(2):
        path = folder / f'step_{step}' / 'result.json'
        path.write_text(json.dumps(json.loads(path.read_text()) | {'background': False, 'classes': ['x', 'a', 'b']}))
    text = write_report(folder).read_text()
    assert 'bremen' in text and 'with background' not in text and 'old (3)' in text


def test_other_class_order_has_no_published_numbers(tmp_path: Path) -> None:
    text = write_report(write_run(tmp_path / 'run', order='b')).read_text()
    assert 'class order b' in text and 'Beside the published numbers' not in text
    order = ['e', 'd', 'c', 'b', 'a']
    text = write_report(write_run(tmp_path / 'list', names=order, sizes=(4, 2), order=order)).read_text()
    assert 'class order e, d, c, ...,' in text and 'e, d, c, b, a ' in text


def test_report_goes_elsewhere(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', finished=1)
    assert write_report(folder, tmp_path / 'out') == tmp_path / 'out' / 'report.md'
    assert not (folder / 'report.md').exists()


def test_nothing_finished(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no step is finished yet'):
        write_report(write_run(tmp_path / 'run', finished=0))


def test_more_sections_stay_with_the_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', names=('a', 'b', 'c'), sizes=(3, 1))
    figure = new_figure(1, 1)
    write_report(
        folder, sections=[Section('What changed', '- one line', {'changes': figure}), Section('Notes', 'Two.')]
    )
    text = (folder / 'report.md').read_text()
    assert (
        '## What changed\n\n- one line\n\n![changes](figures/changes.png)\n\n## Notes\n\nTwo.\n\n## What was run'
        in text
    )
    assert write_report(folder, tmp_path / 'out').read_text() == text, 'the next report has them, too'
    for place in (folder, tmp_path / 'out'):
        assert Image.open(place / 'figures' / 'changes.png').size == (150, 150)


@pytest.mark.parametrize('content', [{}, [1], [{'title': 'x', 'text': 'y', 'figures': ['../../x.png']}]])
def test_wrong_sections_name_their_file(tmp_path: Path, content: object) -> None:
    folder = write_run(tmp_path / 'run', names=('a', 'b', 'c'), sizes=(3, 1))
    (folder / 'sections.json').write_text(json.dumps(content))
    with pytest.raises(ConfigError, match='sections.json: sections: '):
        write_report(folder)


def test_classes_judged_on_different_images(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', names=('a', 'b', 'c'), sizes=(3, 1), protocol='2-1')
    run = json.loads((folder / 'run.json').read_text()) | {'title': 'Extended by c'}
    (folder / 'run.json').write_text(json.dumps(run))
    for step, iou in ((0, [90.0, 80.0, None]), (1, [88.0, 79.0, None, 66.0])):
        path = folder / f'step_{step}' / 'result.json'
        judged = ['the old test images', 'the old test images', None, 'the new images'][: len(iou)]
        more = {'iou': iou, 'judged_on': judged, 'notes': ['Judged apart.'], 'metrics': {'FPS': 3.25}}
        path.write_text(json.dumps(json.loads(path.read_text()) | more))
    text = write_report(folder).read_text()
    report = json.loads((folder / 'report.json').read_text())
    assert text.startswith('# Extended by c\n') and '\n- Judged apart.\n' in text
    assert '| 1    | 3.25 |' in text
    row = next(line for line in text.splitlines() if line.startswith('| c '))
    assert [cell.strip() for cell in row.split('|')[2:-1]] == ['step 1', 'the new images', '–', '66.0', '–']
    scores = report['summary']['exclude']['with_background']
    assert (scores['old'], scores['new'], scores['all'], scores['average']) == (83.5, 66.0, None, None)
    assert report['steps'][0]['all'] is None, 'nobody judged b'
    assert report['steps'][1]['all'] is None, 'classes are judged on different images'
    assert report['per_class']['forgetting'][:2] == [2.0, 1.0] and report['absent_classes'] == []
