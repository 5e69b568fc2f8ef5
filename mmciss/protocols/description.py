"""A protocol as rows of a table."""

from __future__ import annotations

from typing import Any

from mmciss.protocols.protocol import Protocol


def describe(protocol: Protocol) -> list[dict[str, Any]]:
    """Returns one row per step: what is learned, and how many channels there are then.

    Examples:
        >>> describe(Protocol.from_name('2-1', 3))[1]['classes']
        ['class_3']
    """
    return [
        {
            'step': step.index,
            'numbers': list(step.new),
            'classes': [protocol.class_names[number - 1] for number in step.new],
            'domains': list(step.domains),
            'old_channels': step.num_old,
            'new_channels': step.num_new,
            'channels': step.num_seen,
        }
        for step in protocol
    ]
