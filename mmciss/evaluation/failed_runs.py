"""Runs of a comparison that failed: why, and the end of their logs, noted in their folders until they run again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mmciss.utils.files import read_json, write_json

FILE = 'failed.json'
LAST_LINES = 8
"""So many lines of a log are kept."""


def write_failure(run: Path, reason: str, log: Path, output: str) -> None:
    """Notes in the folder of a run that it failed.

    Args:
        run: The folder, which need not exist yet.
        reason: Why, in a word or two.
        log: Its log.
        output: What a cluster said about it; empty if there is none.
    """
    text = log.read_text(encoding='utf-8', errors='replace') if log.is_file() else ''
    lines = [*_last_lines(text), *_last_lines(output)]
    write_json(run / FILE, {'reason': reason, 'log': f'{log.parent.name}/{log.name}', 'lines': lines})


def forget_failure(run: Path) -> None:
    """Removes the note from a run that is started again."""
    (run / FILE).unlink(missing_ok=True)


def read_failure(run: Path) -> dict[str, Any] | None:
    """Returns ``name``, ``reason``, ``log`` and ``lines`` of a run that failed; None if it did not."""
    note = read_json(run / FILE)
    if not isinstance(note, dict) or not {'reason', 'log', 'lines'} <= note.keys():
        return None
    return {'name': run.name, **note}


def find_failures(paths: Sequence[str | Path], complete: Collection[Path]) -> list[dict[str, Any]]:
    """Returns the notes of run folders, and of those inside folders that contain some.

    Args:
        paths: The folders.
        complete: Run folders whose runs were finished after all, by another command; they have not failed.
    """
    folders = [
        folder
        for path in map(Path, paths)
        for folder in ([path] if (path / FILE).exists() else sorted(note.parent for note in path.glob(f'**/{FILE}')))
    ]
    return [note for folder in folders if folder not in complete and (note := read_failure(folder)) is not None]


def _last_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()][-LAST_LINES:]
