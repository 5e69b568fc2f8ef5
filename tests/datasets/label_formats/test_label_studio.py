"""Label Studio: brushes, and what is wrong in its JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmciss.datasets.label_formats.label_studio import decode_brush
from mmciss.errors import ConfigError
from tests.datasets.label_formats.exports import BRUSH, FORK, SIZE, check_refused, edit_json, label_studio


def test_a_brush_with_literal_values() -> None:
    # 8 values of 8 bits, counts of 1, 1, 1 and 3 bits; a literal packet of 4 values, a run of 3 zeros, one literal.
    text = f'{8:032b}{7:05b}' + '0000' * 3 + '0010'
    text += '0' + '11' + '011' + ''.join(f'{value:08b}' for value in (9, 9, 9, 255)) + '1' + '11' + '010' + f'{0:08b}'
    text += '0' + '00' + '0' + f'{7:08b}'
    text += '0' * (-len(text) % 8)
    encoded = [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]
    np.testing.assert_array_equal(decode_brush(encoded, (1, 2)), [[True, True]])
    np.testing.assert_array_equal(decode_brush(BRUSH, SIZE)[FORK], True)
    with pytest.raises(ConfigError, match='has 8 values of 8 bits'):
        decode_brush(encoded, (1, 3))


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda _, brush: brush['value'].update(rle=[0, 0]), 'result b: rle: ends too early'),
        (
            lambda polygon, _: polygon['value'].update(polygonlabels=['a', 'b']),
            'task 1: result a: polygonlabels must be a list of one label',
        ),
    ],
    ids=['brush', 'two labels'],
)
def test_what_is_wrong_is_named(change: Callable[[Any, Any], object], message: str, tmp_path: Path) -> None:
    export = edit_json(label_studio(tmp_path), lambda content: change(*content[0]['annotations'][0]['result'][:2]))
    check_refused(export, message, tmp_path)
