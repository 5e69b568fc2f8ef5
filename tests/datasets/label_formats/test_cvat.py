"""CVAT: what is wrong in its XML is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.label_formats.exports import check_refused, cvat, edit_text


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('0, 12', '0, 11', 'one.png: mask: rle: must be counts of 12 pixels'),
        ('<box label="box"', '<box label="bx"', "unknown label 'bx'.*Did you mean 'box'"),
        ('xtl="2.00"', 'xtl="a"', 'one.png: box: needs the numbers xtl'),
        ('<box label="box"', '<box rotation="a" label="box"', 'one.png: box: needs the numbers rotation'),
        ('z_order="1"', 'z_order="a"', 'one.png: needs the numbers z_order'),
        (' width="', ' wide="', 'one.png: needs the numbers height, width'),
        ('</annotations>', '', 'annotations.xml: is not XML'),
    ],
    ids=['run lengths', 'label', 'number', 'rotation', 'order', 'size', 'xml'],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    export = cvat(tmp_path)
    edit_text(export, old, new)
    check_refused(export, message, tmp_path)
