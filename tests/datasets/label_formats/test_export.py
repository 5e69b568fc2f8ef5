"""What all exports have in common."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.label_formats.exports import check_refused, cvat, edit_text


def test_classes_that_differ_only_in_case(tmp_path: Path) -> None:
    export = cvat(tmp_path)
    edit_text(export, 'fork', 'Box')
    check_refused(export, 'the classes box, Box differ only in case', tmp_path)
