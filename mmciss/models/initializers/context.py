"""What an initializer may need beside the classifier itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class InitializerContext:
    """Findings about the step's data and what the step before left.

    Attributes:
        statistics: Results of the passes over the step's data before training, by name.
        state: Content of ``state.pth`` of the step before.
        name: Name of the classifier in the segmentor, or '' where it is not known.
    """

    statistics: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    name: str = ''
