"""Sizes and pixels of files are those that MMSegmentation's loaders see."""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import mmcv
import numpy as np
import pytest
from PIL import Image

from mmciss.datasets.image_files import IMAGES, MASKS, Reader, image_size
from tests.datasets.exif import save_turned

UPRIGHT = np.random.RandomState(0).randint(0, 256, (6, 10, 3)).astype(np.uint8)
READERS = [
    IMAGES,
    MASKS,
    Reader('pillow'),
    Reader('cv2', 'color_ignore_orientation'),
    Reader('cv2', 'grayscale'),
    Reader('cv2', 'unchanged'),
    Reader('pillow', 'color_ignore_orientation'),
    Reader(None),
]
LOSSLESS = dict(PNG={}, WEBP=dict(lossless=True), TIFF={})


def assert_size_of_decoded(path: Path, reader: Reader) -> None:
    """Compares with what MMSegmentation's loaders do with the whole file."""
    pixels = mmcv.imfrombytes(path.read_bytes(), flag=reader.flag, backend=reader.backend)
    size = image_size(str(path), reader)
    assert (size.height, size.width) == pixels.shape[:2], (path.name, reader)


@pytest.mark.parametrize('kind', ['JPEG', *LOSSLESS])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_size_is_that_of_the_decoded_picture(kind: str, orientation: int, tmp_path: Path) -> None:
    path = save_turned(tmp_path / f'p.{kind.lower()}', UPRIGHT, orientation, kind, **LOSSLESS.get(kind, {}))
    for reader in READERS:
        assert_size_of_decoded(path, reader)
    found = image_size(str(path))
    assert (found.height, found.width) == UPRIGHT.shape[:2] and found.orientation == orientation


@pytest.mark.parametrize('kind', LOSSLESS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_pixels_are_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    path = save_turned(tmp_path / 'p', UPRIGHT, orientation, kind, **LOSSLESS[kind])
    np.testing.assert_array_equal(IMAGES.decode(str(path))[..., ::-1], UPRIGHT)


def test_orientations_in_unusual_places_are_those_that_the_loader_sees(tmp_path: Path) -> None:
    late = save_turned(tmp_path / 'late.png', UPRIGHT, 6)
    content = late.read_bytes()
    start = content.index(b'eXIf') - 4
    end = start + 12 + struct.unpack('>I', content[start : start + 4])[0]
    late.write_bytes(content[:start] + content[end:-12] + content[start:end] + content[-12:])  # behind the pixels
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    Image.fromarray(UPRIGHT).save(tmp_path / 'xmp.jpg', xmp=xmp)
    Image.fromarray(UPRIGHT).save(tmp_path / 'xmp.webp', xmp=xmp)
    save_turned(tmp_path / 'phone.mpo', UPRIGHT, 8, 'MPO', save_all=True, append_images=[Image.fromarray(UPRIGHT)])
    Image.fromarray(UPRIGHT).save(tmp_path / 'garbage.jpg', exif=b'Exif\0\0garbage')
    Image.fromarray(UPRIGHT).save(tmp_path / 'cut.jpg', exif=b'Exif\0\0II*\0\xff\xff\xff\xff')
    for value in (0, 9):
        save_turned(tmp_path / f'{value}.jpg', UPRIGHT, value)
    for name in ('late.png', 'xmp.jpg', 'xmp.webp', 'phone.mpo', 'garbage.jpg', 'cut.jpg', '0.jpg', '9.jpg'):
        for reader in (IMAGES, Reader('pillow'))[: 1 if name == 'garbage.jpg' else 2]:
            assert_size_of_decoded(tmp_path / name, reader)


def test_other_kinds_of_pictures_have_a_size(tmp_path: Path) -> None:
    picture = Image.fromarray(UPRIGHT)
    for mode, name in (
        ('L', 'grey.png'),
        ('RGBA', 'alpha.png'),
        ('CMYK', 'print.jpg'),
        ('P', 'palette.png'),
        ('1', 'bits.png'),
        ('L', 'GREY.JPG'),
        ('LA', 'grey_alpha.png'),
    ):
        picture.convert(mode).save(tmp_path / name)
    Image.fromarray(np.full((6, 10), 40000, dtype=np.uint16)).save(tmp_path / 'deep.png')
    (tmp_path / 'große Straße.png').symlink_to(tmp_path / 'deep.png')
    for path in tmp_path.iterdir():
        assert str(image_size(str(path))) == '10x6'
        assert IMAGES.decode(str(path)).shape == (6, 10, 3)


@pytest.mark.parametrize(
    ('make', 'reason'),
    [
        (os.mkfifo, 'is a FIFO'),
        (os.mkdir, 'is a folder'),
        (lambda path: None, 'does not exist'),
        (lambda path: path.write_bytes(b''), 'is not a readable image'),
        (lambda path: path.symlink_to('/dev/zero'), 'is a device'),
    ],
    ids=['fifo', 'folder', 'missing', 'empty', 'device'],
)
def test_what_is_no_image_is_refused_at_once(make: object, reason: str, tmp_path: Path) -> None:
    path, start = tmp_path / 'p.png', time.monotonic()
    make(path)
    with pytest.raises(ValueError, match=reason):
        image_size(str(path))
    if 'readable' not in reason:
        with pytest.raises(ValueError, match=reason):
            IMAGES.decode(str(path))
    assert time.monotonic() - start < 5, 'it was opened'


@pytest.mark.parametrize(('width', 'height', 'refused'), [(30_000, 30_000, True), (12_000, 10_000, False)])
def test_decompression_bombs_are_refused_with_their_pixels(
    width: int, height: int, refused: bool, tmp_path: Path
) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))

    path = tmp_path / 'bomb.png'
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
        + chunk(b'IDAT', zlib.compress(b'\0'))
        + chunk(b'IEND', b'')
    )
    if refused:
        with pytest.raises(ValueError, match='too many pixels .*900000000 pixels.* exceeds limit of 178956970'):
            image_size(str(path))
    else:
        assert str(image_size(str(path))) == f'{width}x{height}'
