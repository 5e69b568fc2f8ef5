"""Atomic files and safe reading."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from mmciss.utils.checkpoints import read_checkpoint, read_plain_checkpoint
from mmciss.utils.files import (
    file_checksum,
    load_tensors,
    read_json,
    save_tensors,
    value_checksum,
    write_atomically,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / 'result.json'
    write_json(path, {'a': 1})

    def fail(temporary: Path) -> None:
        temporary.write_text('half')
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        write_atomically(path, fail)
    assert read_json(path) == {'a': 1}
    assert os.listdir(tmp_path) == ['result.json']


def test_not_a_number_never_reaches_a_json_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='Out of range float'):
        write_json(tmp_path / 'x.json', {'iou': float('nan')})


@pytest.mark.parametrize('text', ['', '{"a": 1', '\x00'])
def test_truncated_json_reads_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / 'x.json').write_text(text)
    assert read_json(tmp_path / 'x.json') is None
    assert read_json(tmp_path / 'missing.json') is None


def test_tensors_come_back(tmp_path: Path) -> None:
    save_tensors(tmp_path / 'x.pth', {'a': torch.arange(3), 'b': [1, 'two']})
    found = load_tensors(tmp_path / 'x.pth')
    assert found['a'].tolist() == [0, 1, 2] and found['b'] == [1, 'two']


class Evil:
    """Runs a command when unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ('touch PWNED',)


@pytest.mark.parametrize('load', [load_tensors, read_checkpoint, read_plain_checkpoint])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({'state_dict': {}, 'x': Evil()}, tmp_path / 'evil.pth')
    (tmp_path / 'evil.pkl').write_bytes(pickle.dumps(Evil()))
    for name in ('evil.pth', 'evil.pkl'):
        with pytest.raises(ValueError, match='safely'):
            load(tmp_path / name)
    assert not (tmp_path / 'PWNED').exists()


def test_a_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': {'w': torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match='x.pth cannot be read safely: it is truncated'):
        read_checkpoint(path)


def test_wrappers_are_stripped_from_weights(tmp_path: Path) -> None:
    weights = {'module.segmentor.decode_head.w': torch.ones(1), 'module.losses.kd.p': torch.ones(1)}
    torch.save({'state_dict': weights, 'meta': {'iter': 3}}, tmp_path / 'x.pth')
    assert list(read_plain_checkpoint(tmp_path / 'x.pth')) == ['decode_head.w']
    torch.save({'backbone.w': torch.ones(1)}, tmp_path / 'y.pth')
    assert list(read_plain_checkpoint(tmp_path / 'y.pth')) == ['backbone.w']


def test_checksums(tmp_path: Path) -> None:
    (tmp_path / 'x').write_bytes(b'abc')
    assert file_checksum(tmp_path / 'x').startswith('ba7816bf')
    assert value_checksum({'a': 1, 'b': 2}) == value_checksum({'b': 2, 'a': 1}) != value_checksum({'a': 1, 'b': 3})
