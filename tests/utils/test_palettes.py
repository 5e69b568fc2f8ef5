"""Colours of classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mmseg.datasets import PascalVOCDataset

from mmciss.utils.palettes import extend_palette, voc_palette


def test_the_colours_of_voc() -> None:
    assert voc_palette(21) == PascalVOCDataset.METAINFO['palette']


@given(count=st.integers(0, 30), new=st.integers(1, 20))
def test_colours_are_kept_and_differ(count: int, new: int) -> None:
    palette = [[7 * i, 255 - 7 * i, i] for i in range(count)]
    found = extend_palette(palette, max(count, 1), new, background=True)
    assert found[:count] == palette
    assert len(set(map(tuple, found))) == len(found) == max(count, 1) + new


def test_unknown_background_is_black() -> None:
    assert extend_palette((), 3, 1, background=True)[0] == [0, 0, 0]
    assert [0, 0, 0] not in extend_palette((), 3, 1, background=False)
