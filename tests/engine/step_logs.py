"""What the logs of a step say."""

from __future__ import annotations

import re
from pathlib import Path


def resumed_at(folder: Path) -> list[int]:
    """Returns the iterations at which a step's runs continued from a checkpoint, in order of time."""
    logs = sorted(folder.glob('2*/2*.log'))
    return [int(found) for path in logs for found in re.findall(r'resumed epoch: \d+, iter: (\d+)', path.read_text())]
