"""Domains of images."""

from __future__ import annotations

import pytest

from mmciss.errors import ConfigError
from mmciss.protocols.domains import CITYSCAPES_CITIES, domain_of, domains_of


def test_the_21_cities() -> None:
    assert len(set(CITYSCAPES_CITIES)) == 21
    assert CITYSCAPES_CITIES[11] == 'dusseldorf' and CITYSCAPES_CITIES[18:] == ('frankfurt', 'lindau', 'munster')


@pytest.mark.parametrize(
    ('path', 'domain'),
    [
        ('leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png', 'aachen'),
        ('ulm_000001_000019.png', 'ulm'),
        ('/bremen/ulm/000001.png', 'ulm'),
        ('ulm.png', 'ulm'),
        ('ulmer_1.png', None),
        ('berlin/1.png', None),
    ],
)
def test_folder_then_file_name(path: str, domain: str | None) -> None:
    assert domain_of(path, CITYSCAPES_CITIES) == domain


def test_the_longest_name_wins() -> None:
    assert domain_of('rain_night_1.png', ['rain', 'rain_night']) == 'rain_night'


def test_images_of_no_domain() -> None:
    with pytest.raises(ConfigError, match='1 images belong to no domain, for example x/b.png'):
        domains_of(['ulm/a.png', 'x/b.png'], CITYSCAPES_CITIES)
