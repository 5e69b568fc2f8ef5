"""Announcing and attaching the teacher."""

from __future__ import annotations

import re
from pathlib import Path


def log_of(folder: Path) -> str:
    """Returns mmengine's own log of a step."""
    return next(folder.glob('*/*.log')).read_text()


def test_every_step_says_who_teaches(finished_run: Path) -> None:
    assert 'Step 0 learns without a teacher.' in log_of(finished_run / 'step_0')
    found = re.search(r'Step 1 starts from (\S+); the teacher is (\S+)\.', log_of(finished_run / 'step_1'))
    assert found and found[1] == found[2] == str(finished_run / 'step_0' / 'model.pth')
