"""Which confusions of old classes grew from one step to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmciss.evaluation.confusion import confusion_shares

MOST = 4
"""At most this many confusions of a step are named."""
LEAST = 1.0
"""A confusion that grew by fewer points of percent is not named."""


def grown_confusions(results: Sequence[Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """Returns the confusions that grew most in every step, largest first.

    Args:
        results: The content of every step's ``result.json``, None where it is missing.

    Returns:
        Entries with ``step``, ``true`` and ``called`` (names of classes), ``before`` and ``after`` (percent of the
        pixels of ``true`` that are called ``called``).
    """
    found = []
    for step in range(1, len(results)):
        earlier, result = results[step - 1], results[step]
        if earlier is None or result is None or not earlier['confusion'] or not result['confusion']:
            continue
        after = 100 * confusion_shares(np.asarray(result['confusion']))
        known = len(earlier['classes'])
        before = np.zeros_like(after)
        before[:known, :known] = 100 * confusion_shares(np.asarray(earlier['confusion']))
        growth = (after - before)[:known]
        np.fill_diagonal(growth, 0.0)
        names = result['classes']
        for place in np.argsort(-growth, axis=None, kind='stable')[:MOST]:
            true, called = divmod(int(place), growth.shape[1])
            if growth[true, called] >= LEAST:
                pair = {'step': step, 'true': names[true], 'called': names[called]}
                found.append(pair | {'before': before[true, called], 'after': after[true, called]})
    return found
