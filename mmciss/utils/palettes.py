"""Colours of classes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np


def voc_palette(count: int = 256) -> list[list[int]]:
    """Returns PASCAL VOC's colour map: the bits of the id spread over red, green and blue.

    Examples:
        >>> voc_palette(3)
        [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    return [
        [sum(((i >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)]
        for i in range(count)
    ]


def extend_palette(palette: Sequence[Sequence[int]], num_old: int, num_new: int, background: bool) -> list[list[int]]:
    """Adds colours that differ as much as possible from the existing ones.

    If those of the old classes are unknown, all are chosen, except for the background's, which is black.
    """
    hues = [(h / 48, s, v) for v in (1.0, 0.7, 0.45) for s in (1.0, 0.55) for h in range(48)]
    candidates = np.array([[round(255 * part) for part in colorsys.hsv_to_rgb(*hue)] for hue in hues])
    first = [0, 0, 0] if background else candidates[0]
    chosen = [list(map(int, colour)) for colour in palette or [first]]
    while len(chosen) < num_old + num_new:
        distance = np.abs(candidates[:, None] - np.array(chosen)[None]).sum(-1).min(1)
        chosen.append(candidates[distance.argmax()].tolist())
    return chosen
