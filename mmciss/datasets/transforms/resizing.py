"""Resizing an image and its labels so that they stay on top of each other."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]
"""Top, left, height, width in pixels."""


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (H, W, C) to ``size`` (height, width), bilinear.

    8-bit colour images go through PIL, as in the papers: it averages over the whole footprint when
    it shrinks, where OpenCV would skip pixels. Other images go through OpenCV.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        return np.array(resized)  # A copy: PIL's own memory is read-only.
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (H, W) label ids to ``size`` (height, width), nearest neighbour.

    ``INTER_NEAREST`` of OpenCV takes the upper left pixel, half a pixel beside the bilinear image;
    the exact version takes the centre.
    """
    if labels.shape[:2] == tuple(size):
        return labels
    return cv2.resize(labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def crop(array: np.ndarray, box: Box) -> np.ndarray:
    """Cuts ``box`` out of (H, W, ...)."""
    top, left, height, width = box
    return np.ascontiguousarray(array[top : top + height, left : left + width])


def central_box(size: tuple[int, int], wanted: tuple[int, int]) -> Box:
    """Returns the box of ``wanted`` (height, width) in the middle of an image of ``size``.

    Examples:
        >>> central_box((10, 9), (4, 4))
        (3, 2, 4, 4)
    """
    height, width = min(size[0], wanted[0]), min(size[1], wanted[1])
    return (round((size[0] - height) / 2), round((size[1] - width) / 2), height, width)
