"""What is an export, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mmciss.datasets.label_formats import find_export, open_export
from mmciss.errors import ConfigError
from tests.datasets.label_formats.exports import write_pictures


def test_what_is_no_export(tmp_path: Path) -> None:
    masks = write_pictures(tmp_path / 'masks')
    assert find_export(masks) is None and find_export(tmp_path / 'nowhere') is None
    with pytest.raises(ConfigError, match='is no export that is known. Allowed are a folder with labelmap.txt'):
        open_export(masks)
    (masks / 'labelmap.txt').write_text('box:50,50,50::')
    (masks / 'notes.json').write_text('{"shapes"')
    assert open_export(masks).kind == 'colour masks'
    for path in masks.glob('*.png'):
        Image.open(path).convert('L').save(path)
    assert find_export(masks) is None, 'masks in grey hold ids'
    with pytest.raises(ConfigError, match='nowhere: does not exist'):
        open_export(tmp_path / 'nowhere')
    (tmp_path / 'list.json').write_text('[1]')
    with pytest.raises(ConfigError, match=r'list.json: is no export'):
        find_export(tmp_path / 'list.json')
    (tmp_path / 'list.json').write_text('[1')
    with pytest.raises(ConfigError, match=r'list.json: is not JSON'):
        find_export(tmp_path / 'list.json')
