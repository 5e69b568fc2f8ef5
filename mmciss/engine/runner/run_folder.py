"""A run on disk: which experiment it is, which steps are done, which process is working on it."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmciss.errors import ConfigError
from mmciss.utils.checkpoints import read_checkpoint
from mmciss.utils.files import damaged_part, file_checksum, read_json, write_json

CARRIED = ('model.pth', 'state.pth')
"""What a step leaves for the next, with the checksums in its result."""

STARTED_FROM = 'started_from.json'
"""Holds the checksums of what a step reads from the previous step."""

NOT_FINISHED = 'not finished'
"""The fault of a step that has no result."""

REPORT = ('report.md', 'report.html', 'report.json', 'report.csv', 'figures')
"""What a report writes beside the steps."""

REMADE = ('memory.json',)
"""What can be made again from the data, without training the step again."""


class RunFolder:
    """A work directory of :class:`mmciss.engine.IncrementalRunner`.

    Args:
        path: The folder, which need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def step(self, index: int) -> Path:
        """Returns the folder of a step."""
        return self.path / f'step_{index}'

    def result(self, index: int) -> dict[str, Any] | None:
        """Returns the result of a finished step, or None.

        A step is done when its ``result.json`` is complete, every file that it names has the checksum written there,
        and it started from what the previous step left.
        """
        return None if self.fault(index) else read_json(self.step(index) / 'result.json')

    def fault(self, index: int) -> str | None:
        """Returns why a step is not done; None if it is."""
        path = self.step(index) / 'result.json'
        if not path.exists():
            return NOT_FINISHED
        result = read_json(path)
        files = _files(result)
        if files is None or not isinstance(result, dict) or result.get('step') != index:
            return f'{path.name} cannot be read'
        for name, checksum in files.items():
            if name in REMADE:
                continue
            if not (self.step(index) / name).is_file():
                return f'{name} is missing'
            if file_checksum(self.step(index) / name) != checksum:
                return f'{name} is not the file that {path.name} names (its checksum differs)'
        before = _files(read_json(self.step(index - 1) / 'result.json')) if index else None
        started = result.get('previous')
        if before is not None and isinstance(started, dict):
            for name in sorted(started.keys() & before.keys()):
                if started[name] != before[name]:
                    return f'it started from another {name} than step {index - 1} has now'
        return None

    def files(self, index: int) -> dict[str, str]:
        """Returns the checksums of what a finished step left for later ones."""
        return _files(read_json(self.step(index) / 'result.json')) or {}

    def add_file(self, index: int, name: str) -> None:
        """Writes the checksum of a file that was made after its step into the step's result."""
        path = self.step(index) / 'result.json'
        result = read_json(path)
        checksum = file_checksum(self.step(index) / name)
        if isinstance(result, dict) and (result.get('files') or {}).get(name) != checksum:
            write_json(path, {**result, 'files': {**(_files(result) or {}), name: checksum}})

    def reopen(self, index: int, warn: Callable[[str], Any]) -> None:
        """Renames the files that make a step count as done, so that it is trained again; nothing is deleted.

        Args:
            index: The step; if it was never done, nothing happens.
            warn: Is told why, and the new names of the files.
        """
        if not (self.step(index) / 'result.json').exists():
            return
        fault = self.fault(index) or 'it does not say what it started from, and a step before it was trained again'
        names = ['result.json', *self.files(index), 'model.pth', 'state.pth']
        paths = [self.step(index) / name for name in dict.fromkeys(names) if name not in REMADE]
        kept = [move_aside(path).name for path in paths if path.is_file()]
        warn(
            f'{self.step(index)} holds a result, but does not count as done: {fault}. The step is trained again; what '
            f'was there is kept as {", ".join(kept)}.'
        )

    def first_open_step(self, num_steps: int) -> int:
        """Returns the first step that is not done; ``num_steps`` if all are."""
        return next((index for index in range(num_steps) if self.result(index) is None), num_steps)

    def begin(self, index: int, warn: Callable[[str], Any]) -> None:
        """Records what a step starts from; files that it made from another start are moved aside.

        Args:
            index: The step; the one before it is done.
            warn: Is told what was moved aside.
        """
        path = self.step(index) / STARTED_FROM
        now, before = self.files(index - 1), read_json(path)
        if isinstance(before, dict) and any(before[name] != now[name] for name in before.keys() & now.keys()):
            stale = [*self.checkpoints(index), self.step(index) / 'statistics.pth']
            kept = [move_aside(item).name for item in stale if item.is_file()]
            warn(
                f'Step {index} had started from other files than step {index - 1} has now, so it starts again; what '
                f'was there is kept as {", ".join(kept) or "nothing"}.'
            )
        if before != now:
            write_json(path, now)

    def usable_checkpoint(self, index: int, warn: Callable[[str], Any]) -> Path | None:
        """Returns the newest training checkpoint of a step that can be read.

        mmengine writes checkpoints in place, so one may be incomplete if the process died; it is moved aside.

        Args:
            index: The step.
            warn: Is told which checkpoint was moved aside, why, and where the step continues instead.
        """
        problems: list[str] = []
        found = None
        for path in self.checkpoints(index):
            try:
                read_checkpoint(path)
                if part := damaged_part(path):
                    raise ConfigError(f'{path} is damaged: the checksum of {part} differs')
                found = path
                break
            except ConfigError as error:
                aside = move_aside(path)
                problems.append(f'{error}. It was moved to {aside.name}')
        for problem in problems:
            warn(f'{problem}; step {index} {f"continues from {found.name}" if found else "starts from its beginning"}.')
        return found

    def checkpoints(self, index: int) -> list[Path]:
        """Returns the training checkpoints of a step, newest first."""
        paths = [path for path in self.step(index).glob('iter_*.pth') if re.fullmatch(r'iter_\d+', path.stem)]
        return sorted(paths, key=lambda path: int(path.stem.removeprefix('iter_')), reverse=True)

    def remove_checkpoints(self, index: int, note: Callable[[str], Any]) -> None:
        """Removes the training checkpoints of a step that is done; ``note`` is told which."""
        removed = self.checkpoints(index)
        for path in removed:
            path.unlink()
        (self.step(index) / 'last_checkpoint').unlink(missing_ok=True)
        if removed:
            note(
                f'{self.step(index).name} is done; its training checkpoints {", ".join(path.name for path in removed)} '
                f'were removed (keep_training_checkpoints=True keeps them).'
            )

    def has_started(self) -> bool:
        """Whether a run was started here."""
        return (self.path / 'run.json').exists() or any(self.path.glob('step_*/*'))

    def check_free(self, names: Sequence[str], key: str = 'work_dir') -> None:
        """Refuses a folder without a run that holds what one would write there, such as the user's own model.

        Args:
            names: Files and folders that will be written.
            key: The config key or flag of the folder.

        Raises:
            ConfigError: Naming what is there.
        """
        taken = [name for name in names if (self.path / name).exists()]
        if taken and not (self.path / 'run.json').exists():
            raise ConfigError(
                f'{key}: {self.path} holds {", ".join(taken)}, which would be overwritten, but no run.json, so no run '
                f'wrote them. Choose another --work-dir or move them away.'
            )

    def claim(self, experiment: dict[str, Any], details: dict[str, Any]) -> None:
        """Records which experiment this folder belongs to, or checks that it is the same one.

        Args:
            experiment: What decides the results; it must be equal for a run to continue.
            details: Whatever else a reader wants to know (versions, machine, splits).

        Raises:
            ConfigError: If the folder belongs to another experiment, or holds steps but no readable ``run.json``.
        """
        known = read_json(self.path / 'run.json')
        if known is None:
            if any(self.path.glob('step_*/*')):
                raise ConfigError(
                    f'work_dir: {self.path} holds steps but no readable run.json, so it is not known which '
                    f'experiment they belong to. Choose another --work-dir or move them away.'
                )
            self.check_free(REPORT)
            write_json(self.path / 'run.json', {'experiment': experiment, **details})
            return
        before = known.get('experiment') if isinstance(known, dict) else None
        if not isinstance(before, dict):
            raise ConfigError(
                f'work_dir: {self.path / "run.json"} does not say which experiment the folder belongs to '
                f'(found a {type(known).__name__} without "experiment"). Choose another --work-dir or '
                f'move the folder away.'
            )
        # As it is read back from JSON, where tuples are lists.
        experiment = json.loads(json.dumps(experiment))
        # Folders of older versions lack newer keys; these are added below and count from now on.
        different = sorted(key for key in before if experiment.get(key) != before[key])
        if different:
            lines = [f'  {key}: found {_short(before[key])}, now {_short(experiment.get(key))}' for key in different]
            raise ConfigError(
                f'work_dir: {self.path} belongs to a different experiment. What differs:\n'
                + '\n'.join(lines)
                + '\nChoose another --work-dir.'
            )
        if experiment.keys() - before.keys():
            write_json(self.path / 'run.json', {**known, 'experiment': {**before, **experiment}})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Allows one run at a time in the folder; the lock ends with the process.

        Raises:
            ConfigError: If another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / '.lock', 'a+') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise ConfigError(
                    f'work_dir: another run (process {file.read().strip() or "unknown"}) is working in '
                    f'{self.path}. Wait for it or choose another --work-dir.'
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def checksums(folder: Path) -> dict[str, str]:
    """Returns the checksums of what the next step gets from a folder, as far as it is there."""
    return {name: file_checksum(folder / name) for name in CARRIED if (folder / name).is_file()}


def move_aside(path: Path, word: str = 'damaged') -> Path:
    """Renames a file to ``NAME.damaged``, or ``NAME.damaged2`` and so on if that is taken; returns the new path."""
    places = (path.with_name(f'{path.name}.{word}{number if number > 1 else ""}') for number in itertools.count(1))
    aside = next(place for place in places if not place.exists())
    path.rename(aside)
    return aside


def _files(result: Any) -> dict[str, str] | None:
    """Returns the checksums in a result; None if it has none. Results of older versions have the model's only."""
    if not isinstance(result, dict) or not isinstance(result.get('files', {}), dict):
        return None
    return {str(result.get('model')): str(result.get('sha256')), **result.get('files', {})}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f'{text[:160]}...'
