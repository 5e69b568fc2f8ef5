"""Pixels of the shapes that labelling tools draw, by the polygon filling of COCO's own library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mmciss.errors import ConfigError

CIRCLE_POINTS = 64


def polygon_mask(points: Sequence[Any] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fills a polygon.

    Args:
        points: Its corners, x and y in pixels; the picture's left upper corner is (0, 0).
        size: Height and width in pixels.

    Returns:
        Boolean ``(H, W)``.

    Raises:
        ConfigError: If these are not at least three corners of two finite numbers.

    Examples:
        >>> polygon_mask([(1, 0), (3, 0), (3, 2), (1, 2)], (3, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    try:
        corners = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        corners = np.zeros(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise ConfigError(f'a polygon needs at least three points of two finite numbers, found {str(points)[:80]}')
    height, width = size
    limits = [(-width, 2 * width), (-height, 2 * height)]  # far points would overflow the library's integers
    for axis, (low, high) in enumerate(limits):
        corners[:, axis] = corners[:, axis].clip(low, high)
    (encoded,) = coco_mask.frPyObjects([corners.ravel().tolist()], height, width)
    return coco_mask.decode(encoded).astype(bool)


def turned_box(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> np.ndarray:
    """Returns the corners ``(4, 2)`` of a box that is turned clockwise about its left upper corner."""
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    return turned(corners, degrees) + np.array([x, y])


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> np.ndarray:
    """Returns the corners of a polygon like an ellipse that is turned clockwise about its centre."""
    angles = np.linspace(0, 2 * math.pi, CIRCLE_POINTS, endpoint=False)
    points = np.stack([radius_x * np.cos(angles), radius_y * np.sin(angles)], axis=1)
    return turned(points, degrees) + np.array([x, y])


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turns points ``(N, 2)`` clockwise, as seen with y downwards, about (0, 0)."""
    angle = math.radians(degrees)
    return points @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
