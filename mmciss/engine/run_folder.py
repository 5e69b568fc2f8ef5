"""The state of a run on disk: which experiment it is, which steps are done, who is at work in it."""
from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmciss.errors import ConfigError
from mmciss.utils.checkpoints import read_checkpoint
from mmciss.utils.files import file_checksum, read_json, write_json


class RunFolder:
    """A work directory of :class:`mmciss.engine.IncrementalRunner`.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def step(self, index: int) -> Path:
        """Returns the folder of a step."""
        return self.path / f'step_{index}'

    def result(self, index: int) -> dict[str, Any] | None:
        """Returns the result of a finished step, or None.

        A step is done when its ``result.json`` is whole and names a model file whose checksum matches.
        """
        result = read_json(self.step(index) / 'result.json')
        if not isinstance(result, dict) or result.get('step') != index:
            return None
        model = self.step(index) / str(result.get('model'))
        if not model.is_file() or file_checksum(model) != result.get('sha256'):
            return None
        return result

    def first_open_step(self, num_steps: int) -> int:
        """Returns the first step that is not done; ``num_steps`` if all are."""
        return next((index for index in range(num_steps) if self.result(index) is None), num_steps)

    def usable_checkpoint(self, index: int, warn: Callable[[str], Any]) -> Path | None:
        """Returns the newest training checkpoint of a step that can be read.

        mmengine writes checkpoints in place; one that was being written when the process died is moved aside.

        Args:
            index: The step.
            warn: Is told which checkpoint was moved aside, why, and where the step goes on instead.
        """
        problems: list[str] = []
        found = None
        for path in self.checkpoints(index):
            try:
                read_checkpoint(path)
                found = path
                break
            except ConfigError as error:
                aside = path.with_suffix('.pth.damaged')
                path.rename(aside)
                problems.append(f'{error}. It was moved to {aside.name}')
        for problem in problems:
            warn(f'{problem}; step {index} {f"continues from {found.name}" if found else "starts from its beginning"}.')
        return found

    def checkpoints(self, index: int) -> list[Path]:
        """Returns the training checkpoints of a step, the newest first."""
        paths = [path for path in self.step(index).glob('iter_*.pth') if re.fullmatch(r'iter_\d+', path.stem)]
        return sorted(paths, key=lambda path: int(path.stem.removeprefix('iter_')), reverse=True)

    def has_started(self) -> bool:
        """Whether an experiment was begun here."""
        return (self.path / 'run.json').exists() or any(self.path.glob('step_*/*'))

    def claim(self, experiment: dict[str, Any], details: dict[str, Any]) -> None:
        """Writes down which experiment this folder belongs to, or checks that it is the same one.

        Args:
            experiment: What decides the results; must be equal for a run to continue.
            details: What else a reader wants to know (versions, machine, splits).

        Raises:
            ConfigError: If the folder belongs to another experiment, or holds steps but no readable ``run.json``.
        """
        known = read_json(self.path / 'run.json')
        if known is None:
            if any(self.path.glob('step_*/*')):
                raise ConfigError(f'work_dir: {self.path} holds steps but no readable run.json, so it cannot be told '
                                  f'which experiment they belong to. Choose another --work-dir or move them away.')
            write_json(self.path / 'run.json', {'experiment': experiment, **details})
            return
        different = sorted(key for key in experiment.keys() | known.get('experiment', {}).keys()
                           if experiment.get(key) != known.get('experiment', {}).get(key))
        if different:
            lines = [f'  {key}: found {_short(known.get("experiment", {}).get(key))}, '
                     f'now {_short(experiment.get(key))}' for key in different]
            raise ConfigError(f'work_dir: {self.path} belongs to a different experiment. Different are:\n'
                              + '\n'.join(lines) + '\nChoose another --work-dir.')

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Makes sure that one run at a time works in the folder; the lock dies with the process.

        Raises:
            ConfigError: If another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / '.lock', 'a+') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise ConfigError(f'work_dir: another run (process {file.read().strip() or "unknown"}) is working in '
                                  f'{self.path}. Wait for it or choose another --work-dir.') from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def _short(value: Any, length: int = 160) -> str:
    text = repr(value)
    return text if len(text) <= length else f'{text[:length]}...'
