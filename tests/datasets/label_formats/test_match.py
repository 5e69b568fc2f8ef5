"""Which file an export means by a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.datasets.label_formats.match import match_images
from mmciss.errors import ConfigError


def test_names_find_their_images() -> None:
    root = Path('photos')
    files = [root / name for name in ('a/1.jpg', 'b/1.jpg', 'a/2.jpg', '3.PNG')]

    def find(*names: str) -> list[str | None]:
        return [path and str(path) for path in match_images(names, files, root)]

    assert find('a/1.png', 'b\\1.jpg', 'server/x/a/2.jpg', 'train/3.tif') == [
        'photos/a/1.jpg',
        'photos/b/1.jpg',
        'photos/a/2.jpg',
        'photos/3.PNG',
    ]
    assert find('c/2.jpg', '4.jpg', '2.jpg', '01234567-3.png') == [None, None, 'photos/a/2.jpg', 'photos/3.PNG']
    with pytest.raises(ConfigError, match='1.jpg may mean photos/a/1.jpg or photos/b/1.jpg'):
        find('1.jpg')
    with pytest.raises(ConfigError, match='is meant by both'):
        find('a/2.jpg', '2.jpg')
    with pytest.raises(ConfigError, match='1 images are listed twice, such as a/2.jpg'):
        find('a/2.jpg', 'a/2.jpg')
