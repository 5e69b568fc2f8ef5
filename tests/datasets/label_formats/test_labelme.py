"""labelme: what is wrong in its JSON is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.label_formats.exports import check_refused, edit_json, labelme


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda polygon, _: polygon.update(points=[[1, 1]]),
            r'one.json: shapes\[0\]: a polygon needs at least three points',
        ),
        (lambda polygon, _: polygon.update(shape_type='polygn'), 'points of a polygn must be two points'),
        (lambda polygon, _: polygon.update(shape_type='square', points=[[1, 1], [2, 2]]), "unknown shape 'square'"),
        (lambda _, mask: mask.update(mask='no'), r'shapes\[1\]: mask: is not a PNG in base64'),
    ],
    ids=['points', 'shape', 'another shape', 'mask'],
)
def test_what_is_wrong_is_named(change: Callable[[Any, Any], object], message: str, tmp_path: Path) -> None:
    export = edit_json(labelme(tmp_path), lambda content: change(*content['shapes'][:2]))
    check_refused(export, message, tmp_path)
