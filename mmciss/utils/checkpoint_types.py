"""What a checkpoint may hold in addition to tensors, and how it is read.

A pickle names classes and functions, and torch calls those that it is told are safe. Here each name stands for a class
or function of this file that runs nothing; most of them ignore their arguments. :func:`real` then makes arrays,
histories and dictionaries of these stand-ins, from checked parts alone.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
from mmengine.logging.history_buffer import HistoryBuffer

STATISTICS = ('mean', 'max', 'min', 'current')
"""The methods that a pickled ``HistoryBuffer`` of mmengine names; those of the file are dropped."""

IGNORED = """
    argparse.Namespace pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath pathlib.PurePosixPath
    pathlib.PureWindowsPath pathlib._local.PosixPath pathlib._local.WindowsPath datetime.datetime datetime.date
    datetime.time datetime.timedelta datetime.timezone decimal.Decimal uuid.UUID typing.Any
    mmengine.config.config.Config mmengine.config.Config mmcv.utils.config.Config mmcv.Config
    omegaconf.dictconfig.DictConfig omegaconf.listconfig.ListConfig omegaconf.base.ContainerMetadata
    omegaconf.base.Metadata omegaconf.nodes.AnyNode omegaconf.nodes.StringNode builtins.list builtins.dict
    builtins.tuple builtins.int builtins.float builtins.str builtins.bool builtins.object numpy.bool numpy.bool_
    numpy.uint8 numpy.uint16 numpy.uint32 numpy.uint64 numpy.int8 numpy.int16 numpy.int32 numpy.int64 numpy.float16
    numpy.float32 numpy.float64 numpy.str_ numpy.generic
""".split()
"""Classes that only describe how a model was trained: a file may hold them, and they are read as None."""

MAPPINGS = (
    'mmengine.config.config.ConfigDict',
    'mmengine.config.ConfigDict',
    'mmcv.utils.config.ConfigDict',
    'addict.addict.Dict',
    'addict.Dict',
    'easydict.EasyDict',
    'yacs.config.CfgNode',
)
"""Dictionaries of other packages; they are read as ordinary dictionaries."""


class StandIn:
    """Accepts everything that a pickle passes to a class, and ignores it."""

    args: Any
    state: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes an object that only keeps its arguments; a pickle need not call ``__init__``."""
        self = object.__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing."""

    def __setstate__(self, state: Any) -> None:
        """Keeps the state for :func:`real`."""
        self.state = state


class DTypeStandIn(StandIn):
    """``numpy.dtype``: numbers, bytes and text, and objects in arrays."""


class ArrayStandIn(StandIn):
    """``numpy.ndarray``, whose own constructor makes objects out of any bytes."""


class HistoryStandIn(StandIn):
    """``HistoryBuffer``: mmengine's record of a logged value."""


class Mapping(StandIn):
    """A dictionary of another package."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes what torch fills: an ordered dictionary."""
        return OrderedDict(args[0] if args and isinstance(args[0], dict) else ())


class Text(StandIn):
    """A subclass of text, such as torch's version."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes plain text."""
        return str(args[0]) if args and isinstance(args[0], str) else ''


def statistics_method(owner: Any, name: Any, *default: Any) -> None:
    """Stands for ``getattr``, which a pickled ``HistoryBuffer`` needs for its own statistics and for nothing else.

    Raises:
        UnpicklingError: If the file requests anything else.
    """
    if default or owner is not HistoryStandIn or not isinstance(name, str) or name not in STATISTICS:
        owned = getattr(owner, '__name__', 'a value')
        raise UnpicklingError(f'Unsupported global: GLOBAL builtins.getattr of {owned!r} and {name!r} was not allowed')


def array(*args: Any) -> ArrayStandIn:
    """Stands for the function by which NumPy starts an array that a pickle fills."""
    return ArrayStandIn()


def scalar(kind: Any, raw: Any = b'') -> Any:
    """Stands for the function by which NumPy pickles a number."""
    return np.frombuffer(_bytes(raw), dtype_of(kind), count=1)[0]


def empty_mapping(*args: Any) -> OrderedDict[Any, Any]:
    """Stands for ``defaultdict``."""
    return OrderedDict()


def empty_bytes(*args: Any) -> bytes:
    """Stands for ``bytes``, which torch's pickles name for empty ones."""
    return b''


def as_list(items: Any = (), *args: Any) -> list[Any]:
    """Stands for ``deque``."""
    return list(items) if isinstance(items, list | tuple) else []


def _bytes(raw: Any) -> bytes:
    if not isinstance(raw, bytes | bytearray):
        raise UnpicklingError(f'expected bytes, found {type(raw).__name__}')
    return bytes(raw)


def dtype_of(kind: Any) -> np.dtype:
    """Returns the type of numbers or text that a stand-in describes.

    Raises:
        UnpicklingError: If it is of another type, such as a record or objects.
    """
    name = kind.args[0] if type(kind) is DTypeStandIn and kind.args else None
    if not isinstance(name, str) or not re.fullmatch(r'[<>=|]?([biufc?]\d{0,2}|[SU]\d*)', name):
        raise UnpicklingError(f'Unsupported global: GLOBAL numpy.dtype of {name!r} was not allowed')
    found = np.dtype(name)
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else '='
    known = isinstance(order, str) and order in ('<', '>', '=', '|')
    return found.newbyteorder(order) if known else found  # type: ignore[arg-type]


def _real_array(found: ArrayStandIn, seen: dict[int, tuple[Any, Any]]) -> np.ndarray:
    if not isinstance(found.state, tuple) or len(found.state) != 5:
        raise UnpicklingError('an array without content')
    _, shape, kind, fortran, raw = found.state
    if isinstance(raw, list):  # of objects
        flat = np.empty(len(raw), dtype=object)
        for index, item in enumerate(real(raw, seen)):
            flat[index] = item
    else:
        flat = np.frombuffer(_bytes(raw), dtype_of(kind)).copy()
    return flat.reshape(shape, order='F' if fortran else 'C')


def _real_history(found: HistoryStandIn) -> HistoryBuffer:
    state = found.state if isinstance(found.state, dict) else {}
    return HistoryBuffer(
        state.get('_log_history', []), state.get('_count_history', []), max_length=int(state.get('max_length', 1000000))
    )


def real(value: Any, seen: dict[int, tuple[Any, Any]] | None = None) -> Any:
    """Replaces every stand-in inside a value by what it stands for; dictionaries and lists are changed in place.

    Args:
        value: What torch has read.
        seen: Containers and stand-ins already met, by id: the object itself, so that the id stays taken, and the
            result.

    Raises:
        UnpicklingError: If an array or a history is incomplete.
    """
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)][1]
    if type(value) in (tuple, set, frozenset):
        return type(value)(real(item, seen) for item in value)
    if isinstance(value, StandIn):
        result = _without_stand_in(value, seen)
        seen[id(value)] = value, result
        return result
    if isinstance(value, type) and issubclass(value, StandIn):
        return None
    if isinstance(value, dict):
        return _real_dict(value, seen)
    if type(value) is list:
        seen[id(value)] = value, value
        value[:] = [real(item, seen) for item in value]
    return value


def _real_dict(value: dict[Any, Any], seen: dict[int, tuple[Any, Any]]) -> dict[Any, Any]:
    # A pickle may give an ordered dictionary attributes that hide its methods.
    hidden = getattr(value, '__dict__', {}).keys() - {'_metadata'}
    result = OrderedDict(type(value).items(value)) if hidden else value
    seen[id(value)] = value, result
    for key in list(dict.keys(result)):
        found = real(result[key], seen)
        if isinstance(key, StandIn | tuple):
            del result[key]
            key = real(key, seen)
        result[key] = found
    return result


def _without_stand_in(value: StandIn, seen: dict[int, Any]) -> Any:
    if type(value) is ArrayStandIn:
        return _real_array(value, seen)
    if type(value) is HistoryStandIn:
        value.state = real(value.state, seen)
        return _real_history(value)
    return None


def substitutes() -> list[tuple[Callable[..., Any], str]]:
    """Returns the stand-in of each name, in the form that ``torch.serialization.safe_globals`` takes."""
    numpy = [
        (function, f'numpy.{core}.multiarray.{name}')
        for core in ('core', '_core')
        for function, name in ((array, '_reconstruct'), (scalar, 'scalar'))
    ]
    return [
        *numpy,
        (ArrayStandIn, 'numpy.ndarray'),
        (DTypeStandIn, 'numpy.dtype'),
        (HistoryStandIn, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (statistics_method, 'builtins.getattr'),
        (empty_mapping, 'collections.defaultdict'),
        (as_list, 'collections.deque'),
        (empty_bytes, 'builtins.bytes'),
        (Text, 'torch.torch_version.TorchVersion'),
        (slice, 'builtins.slice'),
        (range, 'builtins.range'),
        (frozenset, 'builtins.frozenset'),
        *((Mapping, name) for name in MAPPINGS),
        *((StandIn, name) for name in IGNORED),
    ]
