"""Drawing one picture of the shapes data set: background, objects, labels.

Each class has one of five hues, one of four textures, and its own outline. Four classes share each hue, five share each
texture, and backgrounds use the same hues, so neither hue nor texture alone tells classes apart. All arithmetic is on
integers, and random numbers come from ``numpy.random.RandomState.randint``, whose stream never changes, so pixels are
the same everywhere. Outlines have integer coordinates from -100 to 100, with y pointing down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    return tuple((round(r * COSINE[a] / ONE), round(r * SINE[a] / ONE)) for r, a in zip(radii, angles, strict=True))


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

NAMES = tuple(OUTLINES)
HUES = ((208, 58, 50), (214, 164, 40), (70, 160, 66), (52, 110, 204), (158, 74, 178))
TEXTURES = ('plain', 'stripes', 'checks', 'dots')
SCALE = 2
"""Pictures are drawn larger by this factor and averaged down, which smooths the edges."""
IGNORE = 255


@dataclass(frozen=True)
class Picture:
    """RGB image (side, side, 3) and class numbers (side, side), both uint8; object borders are 255."""

    image: np.ndarray
    labels: np.ndarray


def look_of(number: int) -> tuple[int, int]:
    """Returns (hue, texture) of class ``number`` 1..20; no two classes share both, since 5 and 4 are coprime."""
    return (number - 1) % len(HUES), (number - 1) % len(TEXTURES)


def _axes(size: tuple[int, int], turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixel coordinates along and across the direction ``turn``, in 1/16 pixel, (H, W) each."""
    y, x = np.ogrid[0 : size[0] * 16 : 16, 0 : size[1] * 16 : 16]
    x, y = x.astype(np.int64), y.astype(np.int64)
    cos, sin = COSINE[turn % TURN], SINE[turn % TURN]
    return (x * cos + y * sin) // ONE, (y * cos - x * sin) // ONE


def _pattern(texture: str, size: tuple[int, int], period: int, turn: int) -> np.ndarray:
    """Returns the dark parts of a texture, (H, W) bool; ``period`` is in 1/16 pixel."""
    u, v = _axes(size, turn)
    half = period // 2
    if texture == 'stripes':
        return u % period < half
    if texture == 'checks':
        return (u % period < half) ^ (v % period < half)
    if texture == 'dots':
        du, dv = u % period - half, v % period - half
        return du * du + dv * dv < (period * period * 9) // 100
    return np.zeros(size, dtype=bool)


def _cloud(rng: np.random.RandomState, side: int, cells: int) -> np.ndarray:
    """Returns smooth noise 0..255: random values at grid points, interpolated bilinearly in integers."""
    grid = rng.randint(0, 256, size=(cells + 1, cells + 1)).astype(np.int64)
    at = np.arange(side, dtype=np.int64) * cells * 256 // side
    cell, part = at >> 8, at & 255
    rows = grid[cell] * (256 - part)[:, None] + grid[cell + 1] * part[:, None]
    return (rows[:, cell] * (256 - part) + rows[:, cell + 1] * part) >> 16


def _muted(rng: np.random.RandomState) -> np.ndarray:
    """Returns a background colour: grey, or a hue of the classes mixed with a lot of grey."""
    grey = rng.randint(40, 216)
    hue = np.array(HUES[rng.randint(len(HUES))], dtype=np.int64)
    strength = rng.randint(0, 60)
    return (hue * strength + grey * (100 - strength)) // 100 + rng.randint(-12, 13, size=3)


def _background(rng: np.random.RandomState, side: int) -> np.ndarray:
    """Returns (side, side, 3) int64: two colours mixed by a gradient, a cloud or a texture."""
    kind = rng.randint(4)
    if kind == 0:
        u, _ = _axes((side, side), rng.randint(TURN))
        mix = (u - u.min()) * 255 // max(1, int(u.max() - u.min()))
    elif kind == 1:
        mix = (2 * _cloud(rng, side, rng.randint(2, 5)) + _cloud(rng, side, 12)) // 3
    else:
        texture = TEXTURES[1 + rng.randint(3)]
        dark = _pattern(texture, (side, side), rng.randint(10, 40) * 8 * SCALE, rng.randint(TURN))
        mix = np.where(dark, 200, 55) + (_cloud(rng, side, 3) - 128) // 3
    mix = np.clip(mix, 0, 255)[..., None]
    return (_muted(rng) * mix + _muted(rng) * (255 - mix)) // 255


def _surface(rng: np.random.RandomState, number: int, size: tuple[int, int]) -> np.ndarray:
    """Returns the surface of one object, (H, W, 3) int64, texture and shading included."""
    hue, texture = look_of(number)
    light = rng.randint(78, 121)
    colour = np.array(HUES[hue], dtype=np.int64) * light // 100 + rng.randint(-22, 23, size=3)
    dark = _pattern(TEXTURES[texture], size, rng.randint(5, 9) * 16 * SCALE, rng.randint(TURN))
    # The other parts are about half as bright, or mixed with white.
    other = colour * 45 // 100 if rng.randint(2) else (colour + 2 * 245) // 3
    surface = np.where(dark[..., None], other, colour)
    u, _ = _axes(size, rng.randint(TURN))
    shade = 88 + (u - u.min()) * 24 // max(1, int(u.max() - u.min()))
    return surface * shade[..., None] // 100


def _outline(rng: np.random.RandomState, number: int, side: int) -> np.ndarray:
    """Returns the pixels of one object, (side, side) bool, with random position, size, aspect and tilt."""
    radius = rng.randint(side * 16 * 13 // 100, side * 16 * 28 // 100)
    radii = (radius * rng.randint(84, 117) // 100, radius * rng.randint(84, 117) // 100)
    x, y = (int(c) for c in rng.randint(side * 16 // 8, side * 16 * 7 // 8, size=2))
    return fill(place(OUTLINES[NAMES[number - 1]], (x, y), radii, rng.randint(-7, 8)), side)


def _borders(objects: np.ndarray) -> np.ndarray:
    """Returns the borders between objects, (side, side) bool, one pixel wide."""
    border = np.zeros(objects.shape, dtype=bool)
    border[:, :-1] |= objects[:, :-1] != objects[:, 1:]
    border[:-1, :] |= objects[:-1, :] != objects[1:, :]
    return border


def draw_picture(rng: np.random.RandomState, side: int = 96) -> Picture:
    """Draws two to five objects of different classes on a background.

    Objects may cover each other, but at least 45 percent of each stays visible: one that would hide more is left out.
    """
    large = side * SCALE
    image = _background(rng, large)
    objects = np.zeros((large, large), dtype=np.int64)
    areas: dict[int, int] = {}
    for number in rng.permutation(len(NAMES))[: rng.randint(2, 6)] + 1:
        where = _outline(rng, int(number), large)
        visible = np.bincount(np.where(where, 0, objects).ravel(), minlength=len(NAMES) + 1)
        if any(100 * visible[other] < 45 * area for other, area in areas.items()):
            continue
        areas[int(number)] = int(where.sum())
        objects[where] = number
        rows, columns = np.nonzero(where)
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        image[box][where[box]] = _surface(rng, int(number), where[box].shape)[where[box]]
    image = image + rng.randint(-9, 10, size=image.shape)
    image = np.clip(image, 0, 255).reshape(side, SCALE, side, SCALE, 3).sum(axis=(1, 3))
    small = objects[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]
    labels = np.where(_borders(small), IGNORE, small)
    return Picture((image // SCALE**2).astype(np.uint8), labels.astype(np.uint8))


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
        for (x0, y0), (x1, y1) in zip(contour, np.roll(contour, -1, axis=0), strict=True):
            crosses = (y0 > y) != (y1 > y)
            side_of = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
            part ^= crosses & ((side_of < 0) if y1 > y0 else (side_of > 0))
    return inside
