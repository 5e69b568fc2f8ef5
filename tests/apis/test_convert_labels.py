"""The command that converts labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmciss.apis.convert_labels import main
from mmciss.evaluation import contact_sheet
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


@pytest.mark.parametrize(('count', 'shown'), [(1, 1), (7, 7), (40, 12)])
def test_the_overview_is_about_square(
    tmp_path: Path, count: int, shown: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    drawn: list[Any] = []
    original = contact_sheet.picture_grid

    def draw(*arguments: Any) -> Any:
        drawn.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(contact_sheet, 'picture_grid', draw)
    photos, labels = tmp_path / 'photos', tmp_path / 'labels'
    photos.mkdir()
    labels.mkdir()
    for name in map(str, range(count)):
        Image.new('RGB', (40, 30), 'grey').save(photos / f'{name}.png')
        shape = dict(label='box', points=[[2, 2], [20, 2], [20, 20]], shape_type='polygon')
        content = dict(version='5.5.0', shapes=[shape], imagePath=f'{name}.png', imageHeight=30, imageWidth=40)
        (labels / f'{name}.json').write_text(json.dumps(content))
    assert main([str(labels), '--images', str(photos), '--out', str(tmp_path / 'out')]) == 0
    ((rows, *_, captions),) = drawn
    assert len(rows) == len(captions) == shown and len(set(captions)) == shown
    with Image.open(tmp_path / 'out' / 'overview.png') as picture:
        assert 0.6 < picture.height / picture.width < 1.6 or count == 1


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
