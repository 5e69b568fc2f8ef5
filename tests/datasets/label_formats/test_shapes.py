"""Pixels of polygons, turned boxes and ellipses."""

from __future__ import annotations

import numpy as np
import pytest

from mmciss.datasets.label_formats.shapes import ellipse, polygon_mask, turned_box


def test_pixels_of_shapes() -> None:
    size = (40, 40)
    assert polygon_mask([(-50, -50), (1e12, -50), (1e12, 1e12), (-50, 1e12)], size).all()
    # Turned clockwise about its left upper corner, a lying box hangs down to the left of it.
    np.testing.assert_array_equal(
        polygon_mask(turned_box(20, 10, 16, 4, 90), size), polygon_mask(turned_box(16, 10, 4, 16), size)
    )
    area = polygon_mask(ellipse(20, 20, 12, 6, 30), size).sum()
    assert area == pytest.approx(np.pi * 12 * 6, rel=0.03)
    lying = polygon_mask(ellipse(20, 20, 12, 6, 90), size)
    assert lying.any(1).sum() > lying.any(0).sum()
