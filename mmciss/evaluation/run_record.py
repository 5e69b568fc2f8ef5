"""A run as its folder tells it: the experiment, and the result of every finished step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmciss.errors import ConfigError
from mmciss.evaluation.continual import learned_at
from mmciss.evaluation.published import TITLES, dataset_of
from mmciss.evaluation.result_checks import (
    RESULT_KEYS,
    RUN_KEYS,
    check_counts,
    check_keys,
    check_list,
    check_per_class,
    is_count,
)
from mmciss.evaluation.scores import result_iou
from mmciss.utils.files import read_json
from mmciss.utils.text_files import read_text


@dataclass(frozen=True)
class RunRecord:
    """A run, as read from its folder.

    Attributes:
        path: The folder.
        info: The content of ``run.json``; empty if there is none.
        results: The content of every step's ``result.json``; None for steps that are not finished.
    """

    path: Path
    info: Mapping[str, Any]
    results: tuple[Mapping[str, Any] | None, ...]

    @property
    def last(self) -> Mapping[str, Any]:
        """The result of the last finished step."""
        return next(result for result in reversed(self.results) if result is not None)

    @property
    def started(self) -> bool:
        """Whether any step is finished."""
        return any(result is not None for result in self.results)

    @property
    def complete(self) -> bool:
        """Whether all steps are finished."""
        return all(result is not None for result in self.results)

    @property
    def progress(self) -> str:
        """How many steps are finished, in words."""
        return f'{sum(result is not None for result in self.results)} of {len(self.results)} steps'

    @property
    def sizes(self) -> tuple[int, ...]:
        """Channels added by each step so far; by all steps of the protocol if trained jointly."""
        return tuple(self.last['sizes'])

    @property
    def background(self) -> bool:
        """Whether channel 0 is the background."""
        return bool(self.last.get('background', True))

    @property
    def counts_background(self) -> bool:
        """Whether headline and figures count the background: where the data set has such a class."""
        return self.background and bool(self.last.get('data_background', True))

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names of the foreground classes seen, in order of arrival."""
        return tuple(self.last['classes'])[1 if self.background else 0 :]

    @property
    def benchmark(self) -> str:
        """The benchmark of the classes (``'voc'``, ...), else the type of the data set."""
        known = self._experiment('protocol', 'class_names')
        return dataset_of(known or self.foreground) or str(self.info.get('dataset') or 'unknown data')

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return str(self._experiment('protocol', 'name') or self.info.get('protocol') or 'unknown')

    @property
    def setting(self) -> str:
        """The setting's name."""
        return str(self._experiment('protocol', 'setting') or self.info.get('setting') or 'unknown')

    @property
    def held_out(self) -> float:
        """Share of the training images that were held out and tested on; 0 if the numbers are of test images."""
        return float(self.info.get('held_out') or 0)

    @property
    def method(self) -> str:
        """The method's name; the folder's name if nothing else is known."""
        return str(self.info.get('method') or self._experiment('method', 'name') or self.path.name)

    @property
    def problem(self) -> str:
        """What is learned, in words: data set, protocol, setting; and what is tested, if not the test images."""
        data = TITLES.get(self.benchmark, self.benchmark.removesuffix('Dataset'))
        tested = f', tested on {100 * self.held_out:g} % of the training images' if self.held_out else ''
        return f'{data} {self.protocol}, {self.setting}{tested}'

    @property
    def title(self) -> str:
        """The heading of the report."""
        return str(self.info.get('title') or f'{self.method} on {self.problem}')

    @property
    def joint(self) -> bool:
        """Whether all classes were learned in one step."""
        return len(self.sizes) > len(self.results)

    def iou(self, absent: str = 'exclude') -> np.ndarray:
        """Returns the IoU ``(T, C)`` in percent up to the last finished step; NaN if there is none."""
        rows = self.results[: self.last['step'] + 1]
        iou = np.full((len(rows), sum(self.sizes)), np.nan)
        for row, result in zip(iou, rows, strict=True):
            if result is not None:
                values = result_iou(result, absent)
                row[: len(values)] = values
        return iou

    def new_classes(self, step: int) -> list[str]:
        """Names the classes or domains that a step adds, finished or not; empty if unknown."""
        if self.joint:
            return list(self.foreground)
        domains = self._experiment('protocol', 'domains')
        if domains:
            return list(domains[step])
        if self.started and step <= self.last['step']:
            channels = np.flatnonzero(learned_at(self.sizes) == step)
            return [self.last['classes'][channel] for channel in channels if channel or not self.background]
        names, steps = (self._experiment('protocol', 'class_names'), self._experiment('protocol', 'steps'))
        return [names[number - 1] for number in steps[step]] if names and steps else []

    def _experiment(self, *keys: str) -> Any:
        value: Any = self.info.get('experiment')
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def read_run(path: str | Path) -> RunRecord:
    """Reads a run folder, the ``--work-dir`` of training.

    Raises:
        FileNotFoundError: If the folder does not exist or is not a run folder.
        ConfigError: If a result contradicts itself, or holds what no step can have written.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f'run folder not found: {path}')
    info = _read(path / 'run.json')
    steps = {
        int(found[1]): folder
        for folder in path.glob('step_*')
        if (found := re.fullmatch(r'step_(\d+)', folder.name)) and folder.is_dir()
    }
    if not isinstance(info, dict) and not any((folder / 'result.json').exists() for folder in steps.values()):
        inside = ', '.join(sorted(entry.name for entry in path.iterdir())[:8]) or 'nothing'
        raise FileNotFoundError(
            f'{path} is not a run folder: looked for run.json and step_*/result.json, '
            f'found {inside}. Give the --work-dir of a run.'
        )
    if info is not None and not isinstance(info, dict):
        raise ConfigError(f'{path / "run.json"}: {type(info).__name__} instead of a dictionary')
    info = info or {}
    check_keys(path / 'run.json', info, RUN_KEYS)
    results = {index: _result(folder / 'result.json', index) for index, folder in steps.items()}
    last = max((index for index, result in results.items() if result is not None), default=-1)
    count = info.get('num_steps') or max(results, default=-1) + 1
    if count <= last:
        raise ConfigError(
            f'{path / "run.json"}: num_steps: {count}, but step_{last} has a result; is it of another run?'
        )
    return RunRecord(path, info, tuple(results.get(index) for index in range(count)))


def _read(path: Path) -> Any | None:
    """Reads JSON; None if it is truncated, an error if somebody saved it in another encoding."""
    if path.is_file():
        read_text(path)
    return read_json(path)


def _result(path: Path, index: int) -> Mapping[str, Any] | None:
    """Reads one result; None if it is missing or truncated, an error if it is wrong."""
    result = _read(path)
    if not isinstance(result, dict):
        return None
    missing = [key for key in ('step', 'sizes', 'classes', 'confusion') if key not in result]
    if missing:
        raise ConfigError(f'{path}: misses {", ".join(missing)}')
    check_list(path, 'sizes', result['sizes'], 'numbers of channels, each 0 or more', is_count)
    check_list(path, 'classes', result['classes'], 'names', lambda name: isinstance(name, str))
    if len(set(result['classes'])) < len(result['classes']):
        raise ConfigError(f'{path}: classes: a name stands twice among {", ".join(result["classes"])}')
    check_keys(path, result, RESULT_KEYS)
    check_per_class(path, result)
    shape = check_counts(path, result['confusion'])
    count = len(result['classes'])
    if result['step'] != index or shape != (count, count) or sum(result['sizes']) != count:
        raise ConfigError(
            f'{path}: contradicts itself: step {result["step"]}, {count} classes, sizes '
            f'{result["sizes"]}, confusion matrix of shape {shape}'
        )
    return result
