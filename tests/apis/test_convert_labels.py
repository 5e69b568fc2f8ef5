"""The command that converts labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mmciss.apis.convert_labels import main
from tests.datasets.label_formats.exports import cvat, labelme, write_pictures


def test_it_says_what_was_understood(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photos = write_pictures(tmp_path / 'photos')
    assert main([str(cvat(tmp_path)), '--images', str(photos), '--out', str(tmp_path / 'out')]) == 0
    text = capsys.readouterr().out
    assert text.startswith('CVAT for images: 1 images with labels, 3 classes.\n')
    assert '    2 fork: 1 images, 12 pixels (12 %)' in text
    assert '2 images have no labels and are left out, such as' in text and 'Warning: 1 shapes of type points' in text
    with Image.open(tmp_path / 'out' / 'overview.png') as picture:
        assert len(picture.getcolors(1 << 20)) > 10, 'something is drawn'


def test_errors_end_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photos = write_pictures(tmp_path / 'photos')
    arguments = [str(labelme(tmp_path)), '--images', str(photos), '--out', str(tmp_path / 'out')]
    assert main([*arguments, '--classes', 'box']) == 2
    assert main([*arguments, '--images', str(tmp_path / 'nowhere')]) == 2
    assert main([*arguments, '--out', str(photos)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert 'unknown class of' in errors[0] and "'fork'" in errors[0]
    assert errors[1].startswith('error: --images: no folder') and '--out:' in errors[2]
    assert not (tmp_path / 'out').exists()
