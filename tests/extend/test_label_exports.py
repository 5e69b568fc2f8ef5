"""Masks given as the export of a labelling tool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmciss.apis.extend import extend
from mmciss.errors import ConfigError
from mmciss.extend.data import ExtensionData
from mmciss.extend.extension import extension_protocol
from tests.datasets.label_formats.exports import EXPORTS, write_pictures
from tests.extend.samples import OLD, write_images, write_model

STEP = extension_protocol(OLD, ['Fork', 'box'], background=True)[1]


@pytest.mark.parametrize('kind', EXPORTS)
def test_classes_are_matched_by_name(kind: str, tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / 'photos')
    data = ExtensionData(images=photos, masks=EXPORTS[kind](tmp_path))
    read = data.read(STEP, folder=tmp_path / 'run' / 'data')
    assert read.new.totals[3:5].tolist() == [12, 16], 'Fork is channel 3, box channel 4'
    assert any('images in' in line and 'have no labels' in line for line in read.lines())
    before = sorted((tmp_path / 'run').rglob('*.png'))
    again = data.read(STEP, folder=tmp_path / 'run' / 'data')
    assert again.checksum() == read.checksum() and sorted((tmp_path / 'run').rglob('*.png')) == before


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    photos, path = write_pictures(tmp_path / 'photos'), EXPORTS['COCO segmentation'](tmp_path)
    step = extension_protocol(OLD, ['forkk'], background=True)[1]
    with pytest.raises(ConfigError, match=r"--classes: unknown class of .*'forkk'. Allowed: box, fork. Did you mean"):
        ExtensionData(images=photos, masks=path).read(step, folder=tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
    (photos / 'two.png').unlink()
    with pytest.raises(ConfigError, match='--masks: .*labels 1 images that are not in .*, such as photos/two.png'):
        ExtensionData(images=photos, masks=path).read(STEP, folder=tmp_path / 'run')
    path.write_text('{}')
    with pytest.raises(ConfigError, match='--masks: .*is no export that is known'):
        ExtensionData(images=photos, masks=path).read(STEP, folder=tmp_path / 'run')


def test_an_extension_learns_from_polygons(tmp_path: Path) -> None:
    config, checkpoint = write_model(tmp_path / 'model')
    images, masks = write_images(tmp_path / 'data', count=6, ids=(0, 1))
    for mask in sorted(masks.iterdir()):
        rows, columns = np.nonzero(np.asarray(Image.open(mask))[::8, ::8] == 1)
        corners = [(8 * x, 8 * y) for x, y in zip(columns.tolist(), rows.tolist(), strict=True)]
        shapes = [
            dict(label='fork', points=[[x, y], [x + 8, y], [x + 8, y + 8], [x, y + 8]], shape_type='polygon')
            for x, y in corners
        ]
        content = dict(shapes=shapes, imagePath=mask.name, imageHeight=32, imageWidth=32)
        (images / f'{mask.stem}.json').write_text(json.dumps(content), encoding='utf-8')
    options = dict(iters=2, batch_size=2, crop_size=16, display='none')
    given = (config, checkpoint, images)
    result = extend(*given, images, ['fork'], tmp_path / 'run', **options)
    plain = extend(*given, masks, ['fork'], tmp_path / 'plain', **options)
    assert result.summary['new_after'] == plain.summary['new_after'], 'the same pixels as those masks'
    assert {path.suffix for path in images.iterdir()} == {'.png', '.json'}, 'nothing is written there'
    shutil.rmtree(tmp_path / 'plain')
