"""What checkpoints in the wild hold beside tensors is read or left out; what could run code is neither read nor run."""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import pathlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmengine.runner.checkpoint as mmengine_checkpoint
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging.history_buffer import HistoryBuffer

from mmciss.errors import ConfigError
from mmciss.utils.checkpoints import read_checkpoint, read_plain_checkpoint, read_safely

FORMATS = pytest.mark.parametrize('new_format', [True, False], ids=['zip', 'legacy'])
WEIGHTS = collections.OrderedDict(w=torch.arange(3.0))


def history(*values: float) -> HistoryBuffer:
    buffer = HistoryBuffer()
    for value in values:
        buffer.update(value)
    return buffer


def read_back(content: Any, path: Path, new_format: bool = True) -> dict[str, Any]:
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    return read_checkpoint(path)


@FORMATS
def test_a_history_comes_back_whole(tmp_path: Path, new_format: bool) -> None:
    """Every checkpoint of mmengine's hook holds these; their pickle names ``getattr``."""
    log = {'train/loss': history(1.5, 2.5), 'empty': HistoryBuffer()}
    found = read_back({'message_hub': {'log_scalars': log}}, tmp_path / 'x.pth', new_format)['message_hub'][
        'log_scalars'
    ]
    buffer = found['train/loss']
    assert type(buffer) is HistoryBuffer and buffer.mean() == 2 and buffer.statistics('current') == 2.5
    assert [part.tolist() for part in buffer.data] == [[1.5, 2.5], [1, 1]] and buffer.max_length == 1000000
    assert len(found['empty'].data[0]) == 0
    torch.save(buffer, tmp_path / 'again.pth')  # what is resumed is saved again, as mmengine's own class
    assert b'mmciss' not in (tmp_path / 'again.pth').read_bytes()


@FORMATS
@pytest.mark.parametrize(
    'value',
    [
        np.float64(0.5),
        np.float32(0.5),
        np.float16(0.5),
        np.int64(-3),
        np.int16(7),
        np.uint8(255),
        np.bool_(True),
        np.complex64(1j),
        np.str_('aeroplane'),
        np.bytes_(b'x'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_of_numpy_come_back(tmp_path: Path, value: Any, new_format: bool) -> None:
    found = read_back({'best_score': value}, tmp_path / 'x.pth', new_format)['best_score']
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    'value',
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1, 2], '>i4'),
        np.zeros((0, 3)),
        np.array(5.0),
        np.array(['car', 'bicycle']),
        np.array([[1, 2, 3]], np.uint8),
        np.array(['a', np.float64(2)], object),
    ],
    ids=str,
)
def test_arrays_come_back(tmp_path: Path, value: np.ndarray) -> None:
    found = read_back({'palette': value}, tmp_path / 'x.pth')['palette']
    assert found.dtype == value.dtype and found.shape == value.shape and found.tolist() == value.tolist()


@FORMATS
def test_what_says_how_a_model_was_trained_does_no_harm(tmp_path: Path, new_format: bool) -> None:
    """Namespaces, paths, dates and configs are left out; dictionaries of other packages become plain ones."""
    from addict import Dict

    found = read_back(
        {
            'model': WEIGHTS,
            'args': argparse.Namespace(output=pathlib.PurePosixPath('/a'), lr=np.float64(0.1)),
            'cfg': Config(dict(model=dict(type='A'))),
            'path': pathlib.Path('/tmp'),
            'date': datetime.datetime.now(),
            'meta': ConfigDict(CLASSES=('a', 'b'), items=dict(PALETTE=[[0, 0, 0]])),
            'addict': Dict(a=Dict(b=1)),
            'seen': collections.defaultdict(list, {'a': [1]}),
            'counts': collections.Counter('aab'),
            'last': collections.deque([1, 2], maxlen=2),
            'version': torch.torch_version.TorchVersion('1.2'),
            'kept': frozenset({1}),
            'range': range(3),
            'kind': np.float32,
            (np.int64(1), 2): 'key',
        },
        tmp_path / 'x.pth',
        new_format,
    )
    assert all(found[key] is None for key in ('args', 'cfg', 'path', 'date', 'kind'))
    assert (
        found['meta'] == {'CLASSES': ('a', 'b'), 'items': {'PALETTE': [[0, 0, 0]]}} and found['meta'].get('b') is None
    )
    assert found['addict'] == {'a': {'b': 1}} and found['seen'] == {'a': [1]} and found['counts'] == {'a': 2, 'b': 1}
    assert found['last'] == [1, 2] and type(found['version']) is str and found['kept'] == {1}
    assert found[(1, 2)] == 'key'
    assert read_plain_checkpoint(tmp_path / 'x.pth')['w'].tolist() == [0, 1, 2]


def test_files_of_numpy_1_are_read(tmp_path: Path) -> None:
    """NumPy 2 moved ``numpy.core`` to ``numpy._core``."""
    torch.save({'score': np.float64(3), 'palette': np.ones(2)}, tmp_path / 'new.pth')
    with zipfile.ZipFile(tmp_path / 'new.pth') as new, zipfile.ZipFile(tmp_path / 'old.pth', 'w') as old:
        for name in new.namelist():
            content = new.read(name)
            old.writestr(name, content.replace(b'numpy._core', b'numpy.core') if name.endswith('data.pkl') else content)
    found = read_checkpoint(tmp_path / 'old.pth')
    assert found['score'] == 3 and found['palette'].tolist() == [1, 1]


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


class Deep:
    """Pickles as ``getattr(getattr(HistoryBuffer, 'mean'), '__globals__')``: the way to everything."""

    def __reduce__(self) -> tuple:
        return getattr, (Call(getattr, HistoryBuffer, 'mean'), '__globals__')


def mark(path: str) -> None:
    """Stands for any code."""
    Path(path).touch()


@FORMATS
@pytest.mark.parametrize(
    ('content', 'named'),
    [
        (Call(getattr, HistoryBuffer, '__init__'), '__init__'),
        (Call(getattr, torch.Tensor, 'numpy'), 'numpy'),
        (Call(getattr, argparse.Namespace, 'mean'), 'mean'),
        (Call(getattr, HistoryBuffer, 'mean', 1), 'mean'),
        (Deep(), '__globals__'),
        (Call(eval, '1'), 'eval'),
        (Call(mark, 'MARK'), 'mark'),
        (Call(np.load, 'MARK'), 'numpy.load'),
        (Call(__import__, 'os'), '__import__'),
        (torch.nn.Linear(1, 1), 'Linear'),
        (np.zeros(2, dtype=[('a', 'i4'), ('b', 'f4')]), 'numpy.dtype'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_whatever_could_run_code_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, named: str, new_format: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({'state_dict': WEIGHTS, 'x': content}, 'x.pth', _use_new_zipfile_serialization=new_format)
    with pytest.raises(
        ConfigError, match=rf'x\.pth cannot be read safely: it names .*{named}.*could run code.*weights_only'
    ):
        read_checkpoint('x.pth')
    assert not Path('MARK').exists()


def test_an_array_is_never_made_of_raw_pointers(tmp_path: Path) -> None:
    """``numpy.ndarray(shape, object, bytes)`` makes objects at any address: NumPy's own constructor is out of reach."""
    pointers = Call(np.ndarray, (2,), np.dtype('O'), b'\1' * 16)
    torch.save({'x': pointers}, tmp_path / 'x.pth')
    with pytest.raises(ConfigError, match='an array without content'):
        read_checkpoint(tmp_path / 'x.pth')


def test_a_class_named_like_a_harmless_one_is_refused(tmp_path: Path) -> None:
    kind = type('Namespace', (), {'__module__': 'evil.argparse'})
    buffer = io.BytesIO()
    torch.save({'x': argparse.Namespace(a=1)}, buffer)
    for name in ('evil.argparse', 'argparse.evil'):
        with zipfile.ZipFile(buffer) as good, zipfile.ZipFile(tmp_path / 'x.pth', 'w') as bad:
            for part in good.namelist():
                bad.writestr(part, good.read(part).replace(b'argparse\nNamespace', f'{name}\nNamespace'.encode()))
        with pytest.raises(ConfigError, match=f'names {name}.Namespace'):
            read_checkpoint(tmp_path / 'x.pth')
    assert kind.__name__ == 'Namespace'


def test_what_a_process_allowed_itself_does_not_count(tmp_path: Path) -> None:
    torch.save({'x': Call(getattr, torch.Tensor, 'numpy')}, tmp_path / 'x.pth')
    with torch.serialization.safe_globals([getattr, mark]):
        allowed = set(torch.serialization.get_safe_globals())
        with pytest.raises(ConfigError, match='getattr'):
            read_checkpoint(tmp_path / 'x.pth')
        assert set(torch.serialization.get_safe_globals()) == allowed >= {getattr, mark}


def test_a_newer_pickle_protocol_is_named(tmp_path: Path) -> None:
    torch.save({'state_dict': WEIGHTS}, tmp_path / 'x.pth', pickle_protocol=4)
    with pytest.raises(ConfigError, match='newer pickle protocol'):
        read_checkpoint(tmp_path / 'x.pth')


@pytest.fixture
def mmengine_reads_safely() -> None:
    import mmciss.register_all

    read_safely()


def test_mmengine_itself_reads_through_the_same_door(
    tmp_path: Path, mmengine_reads_safely: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read the file again with ``weights_only=False``, which runs what is in it."""
    monkeypatch.chdir(tmp_path)
    torch.save({'state_dict': WEIGHTS, 'x': Call(mark, 'MARK')}, 'evil.pth')
    torch.save({'state_dict': WEIGHTS, 'h': history(1.0), 'args': argparse.Namespace(a=1)}, 'good.pth')
    with pytest.raises(ConfigError, match='mark'):
        mmengine_checkpoint._load_checkpoint('evil.pth', map_location='cpu')
    found = mmengine_checkpoint._load_checkpoint('good.pth', map_location='cpu')
    assert found['h'].mean() == 1 and found['args'] is None
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    for name in ('evil.pth', 'good.pth'):
        Path(name).rename(tmp_path / 'checkpoints' / name)
    with pytest.raises(ConfigError, match='mark'):
        mmengine_checkpoint._load_checkpoint('https://localhost/evil.pth', map_location='cpu')
    assert mmengine_checkpoint._load_checkpoint('https://localhost/good.pth', map_location='cpu')['h'].mean() == 1
    assert not (tmp_path / 'MARK').exists()


def test_attributes_that_a_pickle_hangs_on_a_dictionary_hide_nothing(tmp_path: Path) -> None:
    weights = collections.OrderedDict(WEIGHTS)
    weights.get, weights.values = torch.ones(1), 'no method'
    found = read_back({'state_dict': weights}, tmp_path / 'x.pth')
    assert found['state_dict'].get('w').tolist() == [0, 1, 2] and len(found['state_dict'].values()) == 1
    assert pickle.dumps(found)  # nothing of this reader is left in it
