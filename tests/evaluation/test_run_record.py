"""Tests of mmciss.evaluation.run_record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmciss.errors import ConfigError
from mmciss.evaluation.run_record import read_run
from tests.evaluation.synthetic_run import VOC, write_run


def test_reads_a_whole_run(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path / 'run'))
    assert record.complete and record.started and not record.joint and record.background
    assert (record.method, record.protocol, record.setting, record.benchmark) == ('MiB', '15-1', 'overlapped', 'voc')
    assert record.problem == 'Pascal VOC 15-1, overlapped'
    iou = record.iou()
    assert iou.shape == (6, 21)
    assert np.isnan(iou[0, 16:]).all() and not np.isnan(iou[0, :16]).any() and not np.isnan(iou[5]).any()
    assert record.new_classes(0) == list(VOC[:15]) and record.new_classes(5) == ['tvmonitor']


def test_unfinished_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', finished=3)
    (folder / 'step_3').mkdir()
    (folder / 'step_3' / 'result.json').write_text('{"step": 3, "sizes": [1')  # Cut off while writing.
    record = read_run(folder)
    assert [result is not None for result in record.results] == [True] * 3 + [False] * 3
    assert record.iou().shape == (3, 18)
    assert record.new_classes(4) == ['train']
    assert record.benchmark == 'voc'


def test_a_step_in_the_middle_is_missing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run')
    (folder / 'step_2' / 'result.json').unlink()
    record = read_run(folder)
    assert not record.complete and np.isnan(record.iou()[2]).all() and record.iou().shape == (6, 21)


def test_joint_run(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path / 'run', joint=True))
    assert record.joint and record.complete and len(record.results) == 1
    assert record.sizes == (16, 1, 1, 1, 1, 1) and record.new_classes(0) == list(VOC)


def test_results_without_run_json(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'nameless')
    (folder / 'run.json').unlink()
    record = read_run(folder)
    assert record.complete and record.method == 'nameless' and record.protocol == 'unknown'


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='run folder not found'):
        read_run(tmp_path / 'nowhere')
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(FileNotFoundError, match=r'looked for run\.json and step_\*/result\.json, found notes\.txt'):
        read_run(tmp_path)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'sizes': [5]}, 'contradicts itself'),
        ({'step': 4}, 'step 4'),
        ({'confusion': [[1]]}, r'shape \(1, 1\)'),
        ({'classes': None}, 'misses classes'),
        ({'classes': 'abcd'}, "classes: 'abcd'; allowed is a list of names"),
        ({'classes': ['a', 'b', 'c', 4]}, 'classes: holds 4'),
        ({'sizes': [5, -1]}, 'sizes: holds -1'),
        ({'sizes': 4}, 'sizes: 4; allowed is a list'),
        ({'confusion': [[1, 0, 0, 0]] * 3 + [[0, 0, -7, 1]]}, 'confusion, row 3, column 2: -7'),
        ({'confusion': [[1, 0.5, 0, 0]] * 4}, 'confusion, row 0, column 1: 0.5'),
        ({'confusion': [[1, True, 0, 0]] * 4}, 'confusion, row 0, column 1: True'),
        ({'confusion': [[1, '2', 0, 0]] * 4}, "confusion, row 0, column 1: '2'"),
        ({'confusion': [[1, float('nan'), 0, 0]] * 4}, 'confusion, row 0, column 1: nan'),
        ({'confusion': [[1, 0, 0, 0]] * 3 + [[1]]}, 'confusion: its rows have 1 to 4 values'),
        ({'confusion': [[1, 0, 0, 0]] * 3}, r'shape \(3, 4\)'),
        ({'confusion': {}}, 'confusion: {}; allowed is a list'),
        ({'confusion': [[10**30, 0, 0, 0]] * 4}, 'confusion, row 0, column 0: 1000'),
        ({'classes': ['a', 'b', 'c', 'a']}, 'classes: a name stands twice'),
        ({'seconds': 'long'}, "seconds: 'long'; allowed is a number of seconds"),
        ({'seconds': float('nan')}, 'seconds: nan'),
        ({'num_images': -3}, 'num_images: -3'),
        ({'background': 'no'}, "background: 'no'; allowed is true or false"),
        ({'iou': [1.0, 2.0]}, 'iou: 2 entries for 4 classes'),
        ({'iou': [1.0, None, float('nan'), 2.0]}, 'iou: holds nan'),
        ({'judged_on': ['x', None, 3, 'y']}, 'judged_on: holds 3'),
        ({'notes': 'x'}, "notes: 'x'; allowed is a list"),
    ],
)
def test_a_wrong_result_names_its_file(tmp_path: Path, change: dict, message: str) -> None:
    path = write_run(tmp_path / 'run', sizes=(3, 1), names=('a', 'b', 'c')) / 'step_1' / 'result.json'
    result = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in result.items() if value is not None}))
    with pytest.raises(ConfigError, match=f'step_1/result.json: .*{message}'):
        read_run(path.parent.parent)


@pytest.mark.parametrize('encoding', ['utf-16', 'latin-1'])
def test_a_result_in_another_encoding_names_its_file(tmp_path: Path, encoding: str) -> None:
    path = write_run(tmp_path / 'run', sizes=(2, 1), names=('é', 'b')) / 'step_1' / 'result.json'
    text = json.dumps(json.loads(path.read_text()), ensure_ascii=False)
    path.write_text(text, encoding=encoding)
    with pytest.raises(ConfigError, match='step_1/result.json, line 1: .*Convert it'):
        read_run(path.parent.parent)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'num_steps': -1}, 'num_steps: -1'),
        ({'num_steps': 'two'}, "num_steps: 'two'"),
        ({'num_steps': 10**9}, 'num_steps: 1000000000'),
        ({'num_steps': 1}, 'num_steps: 1, but step_1 has a result'),
        ({'experiment': []}, r'experiment: \[\]; allowed is a dictionary'),
        ({'method': 3}, 'method: 3; allowed is text'),
        ({'seed': 'x'}, "seed: 'x'"),
        (None, 'list instead of a dictionary'),
    ],
)
def test_a_wrong_run_names_its_file(tmp_path: Path, change: dict | None, message: str) -> None:
    path = write_run(tmp_path / 'run', sizes=(2, 1), names=('a', 'b')) / 'run.json'
    path.write_text(json.dumps([1] if change is None else json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError, match=f'run/run.json: {message}'):
        read_run(path.parent)
