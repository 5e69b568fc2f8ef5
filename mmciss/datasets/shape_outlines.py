"""The outlines of the twenty shapes, placed and filled with integer arithmetic.

Coordinates are integers from -100 to 100 with y pointing down. Pixels depend on integer arithmetic only, so that every
machine draws the same pictures.
"""

from __future__ import annotations

import math

import numpy as np

Contour = tuple[tuple[int, int], ...]

TURN = 64
"""Directions per full turn."""
ONE = 1 << 14
"""1.0 in the fixed-point tables of cosine and sine."""
COSINE = tuple(round(ONE * math.cos(2 * math.pi * k / TURN)) for k in range(TURN))
SINE = tuple(round(ONE * math.sin(2 * math.pi * k / TURN)) for k in range(TURN))


def _polar(radii: list[int], start: int = 48) -> Contour:
    """Places one corner per radius at equal angles, starting at the top."""
    step = TURN / len(radii)
    angles = [round(start + k * step) % TURN for k in range(len(radii))]
    return tuple((round(r * COSINE[a] / ONE), round(r * SINE[a] / ONE)) for r, a in zip(radii, angles))


def _disc(radius: int, x: int = 0, y: int = 0) -> Contour:
    return tuple((x + px, y + py) for px, py in _polar([radius] * 32))


# fmt: off
OUTLINES: dict[str, tuple[Contour, ...]] = {
    'disc': (_disc(92),),
    'ring': (_disc(98), _disc(52)),
    'square': (((-80, -80), (80, -80), (80, 80), (-80, 80)),),
    'triangle': (((0, -98), (98, 78), (-98, 78)),),
    'star': (_polar([100, 42] * 5),),
    'cross': (((-34, -98), (34, -98), (34, -34), (98, -34), (98, 34), (34, 34), (34, 98), (-34, 98), (-34, 34),
        (-98, 34), (-98, -34), (-34, -34)),),
    'heart': (((0, 98), (-92, -2), (-98, -38), (-86, -70), (-56, -86), (-24, -78), (0, -48), (24, -78), (56, -86),
        (86, -70), (98, -38), (92, -2)),),
    'moon': (((30, -98), (-22, -88), (-66, -54), (-84, 0), (-66, 54), (-22, 88), (30, 98), (72, 86), (22, 62),
        (-8, 30), (-18, 0), (-8, -30), (22, -62), (72, -86)),),
    'diamond': (((0, -100), (62, 0), (0, 100), (-62, 0)),),
    'hexagon': (_polar([96] * 6, start=0),),
    'arrow': (((0, -100), (84, -6), (36, -6), (36, 98), (-36, 98), (-36, -6), (-84, -6)),),
    'bolt': (((24, -100), (-72, 18), (-12, 18), (-36, 100), (70, -28), (12, -28), (62, -100)),),
    'drop': (((0, -100), (34, -40), (62, 8), (70, 42), (56, 76), (26, 96), (-26, 96), (-56, 76), (-70, 42), (-62, 8),
        (-34, -40)),),
    'flower': (_polar([98, 88, 48, 88] * 6),),
    'gear': (_polar([98, 98, 70, 70] * 8), _disc(30)),
    'hourglass': (((-78, -92), (78, -92), (22, 0), (78, 92), (-78, 92), (-22, 0)),),
    'chevron': (((0, -84), (98, 16), (98, 84), (0, -8), (-98, 84), (-98, 16)),),
    'house': (((0, -100), (96, -22), (68, -22), (68, 90), (-68, 90), (-68, -22), (-96, -22)),),
    'fish': (((-98, 0), (-66, -40), (-20, -56), (26, -36), (54, -6), (98, -58), (86, 0), (98, 58), (54, 6), (26, 36),
        (-20, 56), (-66, 40)),),
    'tee': (((-92, -92), (92, -92), (92, -30), (34, -30), (34, 96), (-34, 96), (-34, -30), (-92, -30)),),
}
"""Contours of every shape, in class order; a contour inside another is a hole."""
# fmt: on


def place(
    contours: tuple[Contour, ...], centre: tuple[int, int], radii: tuple[int, int], turn: int
) -> list[np.ndarray]:
    """Scales, turns and moves contours.

    Args:
        contours: Outline with coordinates from -100 to 100.
        centre: (x, y) of the middle in 1/16 pixel.
        radii: Horizontal and vertical half size before turning, in 1/16 pixel.
        turn: Direction, in units of 1 / :data:`TURN` of a full turn.

    Returns:
        One (points, 2) int64 array of x and y in 1/16 pixel per contour.
    """
    cos, sin = COSINE[turn % TURN], SINE[turn % TURN]
    placed = []
    for contour in contours:
        points = np.array(contour, dtype=np.int64) * np.array(radii, dtype=np.int64)
        x = (points[:, 0] * cos - points[:, 1] * sin) // (100 * ONE) + centre[0]
        y = (points[:, 0] * sin + points[:, 1] * cos) // (100 * ONE) + centre[1]
        placed.append(np.stack([x, y], axis=1))
    return placed


def fill(contours: list[np.ndarray], side: int) -> np.ndarray:
    """Fills contours by the even-odd rule.

    Args:
        contours: (points, 2) int64 arrays of x and y in 1/16 pixel.
        side: Side of the square picture in pixels.

    Returns:
        (side, side) bool: pixels whose centre lies inside.
    """
    inside = np.zeros((side, side), dtype=bool)
    corners = np.concatenate(contours)
    low = np.clip(corners.min(axis=0) // 16, 0, side)
    high = np.clip(corners.max(axis=0) // 16 + 1, 0, side)
    # Pixel centres are multiples of 8; corners are moved to odd positions, so that there are no ties.
    x = (np.arange(low[0], high[0], dtype=np.int64) * 16 + 8)[None, :]
    y = (np.arange(low[1], high[1], dtype=np.int64) * 16 + 8)[:, None]
    part = inside[low[1] : high[1], low[0] : high[0]]
    for contour in contours:
        contour = contour | 1
        for (x0, y0), (x1, y1) in zip(contour, np.roll(contour, -1, axis=0)):
            crosses = (y0 > y) != (y1 > y)
            side_of = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
            part ^= crosses & ((side_of < 0) if y1 > y0 else (side_of > 0))
    return inside
