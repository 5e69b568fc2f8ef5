"""The one reader of images and masks: how large a file is, and what is in it, as a pipeline's loader sees it.

Cameras store a photograph as the sensor saw it and say in EXIF how it is turned. Loaders differ in what they make of
that: MMSegmentation's turns images upright and leaves masks as stored. So nothing here knows it by heart: the loader's
own decoder is asked, with a picture of two pixels.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import lru_cache

import mmcv
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from mmciss.errors import first_line
from mmciss.utils.regular_file import check_regular

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""

_PROBED = {'JPEG': 'JPEG', 'MPO': 'JPEG', 'PNG': 'PNG', 'WEBP': 'WEBP', 'TIFF': 'TIFF'}
"""Formats that a picture for the decoder can be written in."""


@dataclass(frozen=True)
class Reader:
    """How files are decoded, in the words of :func:`mmcv.imfrombytes`.

    Attributes:
        backend: The decoder; mmcv's choice if None.
        flag: What it makes of the colours; the names with ``ignore_orientation``, and ``'unchanged'``, leave the
            picture as stored.
    """

    backend: str | None = 'cv2'
    flag: str = 'color'

    def decode(self, path: str) -> np.ndarray:
        """Returns the pixels ``(H, W)`` or ``(H, W, 3)``, as training sees them.

        Raises:
            ValueError: If the file cannot be read, saying why.
        """
        check_regular(path)
        try:
            with open(path, 'rb') as file:
                pixels = mmcv.imfrombytes(file.read(), flag=self.flag, backend=self.backend)
        except Exception as error:  # every decoder has errors of its own
            raise ValueError(f'cannot be decoded ({first_line(error)})') from error
        if pixels is None:
            raise ValueError('cannot be decoded (truncated or damaged)')
        return pixels


IMAGES = Reader()
"""How MMSegmentation reads images unless told otherwise."""
MASKS = Reader('pillow', 'unchanged')
"""How MMSegmentation reads masks unless told otherwise."""


def check_whole(path: str) -> None:
    """Decodes a file with Pillow, which refuses damage that other decoders fill with grey.

    Files in formats that Pillow does not know are let through.

    Raises:
        ValueError: If the file is damaged, saying how.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(path) as file:
                file.load()
    except Image.UnidentifiedImageError:
        return
    except Exception as error:  # every decoder has errors of its own
        raise ValueError(f'is damaged ({first_line(error)})') from error


@dataclass(frozen=True)
class ImageSize:
    """How large a picture is.

    Attributes:
        width, height: Pixels, as the reader gives them.
        orientation: The EXIF orientation that the file carries, 1 if none.
        obeyed: Whether the reader turns the picture as the orientation says.
    """

    width: int
    height: int
    orientation: int = 1
    obeyed: bool = True

    def __str__(self) -> str:
        return f'{self.width}x{self.height}'

    @property
    def note(self) -> str:
        """What to say of the orientation, or nothing."""
        return f' (EXIF orientation {self.orientation})' if self.orientation != 1 else ''


def image_size(path: str, reader: Reader = IMAGES) -> ImageSize | None:
    """Returns the size that a reader gives an image, from its head wherever that is enough.

    Args:
        path: The file.
        reader: How it is going to be decoded.

    Returns:
        The size; None for formats that Pillow does not know.

    Raises:
        ValueError: If the file is missing, unreadable, no regular file or a decompression bomb, saying why.
    """
    check_regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path) as file:
                width, height = file.size
                kind, orientation, plain = file.format, *_orientation(file)
                stored = (width, height) if kind != 'TIFF' or orientation not in SIDEWAYS else (height, width)
    except Image.UnidentifiedImageError:
        if path.rpartition('.')[2].lower() in ('png', 'jpg', 'jpeg'):
            raise ValueError('is no readable image') from None
        return None
    except Image.DecompressionBombError as error:
        raise ValueError(
            f'is refused, its head claims too many pixels ({first_line(error)}; the limit is twice '
            f'PIL.Image.MAX_IMAGE_PIXELS)'
        ) from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f'cannot be read ({first_line(error)})') from None
    if orientation == 1 and plain:
        return ImageSize(width, height)
    if plain and kind in _PROBED:
        obeyed = obeys(_PROBED[kind], reader)
        return ImageSize(*(stored[::-1] if obeyed and orientation in SIDEWAYS else stored), orientation, obeyed)
    height, width = reader.decode(path).shape[:2]  # which reader knows such a tag cannot be told: look
    return ImageSize(width, height, orientation, orientation == 1 or (width, height) != stored)


@lru_cache(maxsize=None)
def obeys(kind: str, reader: Reader) -> bool:
    """Whether a reader turns pictures of a format as their EXIF orientation says.

    Args:
        kind: ``'JPEG'``, ``'PNG'``, ``'WEBP'`` or ``'TIFF'``.
        reader: How files are decoded.
    """
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    Image.new('RGB', (2, 1)).save(buffer, kind, exif=exif)
    pixels = mmcv.imfrombytes(buffer.getvalue(), flag=reader.flag, backend=reader.backend)
    return pixels.shape[:2] == (2, 1)


def _orientation(file: Image.Image) -> tuple[int, bool]:
    """Returns the orientation that an open file claims, and whether by a readable EXIF tag in its head.

    Other places are XMP and a PNG's end, which not every decoder looks at. Values that mean nothing are 1.
    """
    key = ExifTags.Base.Orientation
    if isinstance(file, PngImagePlugin.PngImageFile):
        told = {'exif', 'xmp', 'XML:com.adobe.xmp', 'Raw profile type exif'} & file.info.keys()
        if not told and not _exif_behind_pixels(file):  # Pillow would decode the whole picture to find out
            return 1, True
    elif 'exif' not in file.info and 'xmp' not in file.info and file.format != 'TIFF':
        return 1, True
    try:
        found = file.getexif().get(key, 1)
        head = Image.Exif()
        head.load(file.info.get('exif') or b'')
    except Exception:  # garbage in the place of EXIF
        return 1, False
    found = found if found in range(1, 9) else 1
    return found, found == 1 or file.format == 'TIFF' or head.get(key) == found


def _exif_behind_pixels(file: PngImagePlugin.PngImageFile) -> bool:
    """Whether a PNG has EXIF behind its pixels, where its head does not tell."""
    place = file.fp.tell()
    try:
        file.fp.seek(8)
        while len(head := file.fp.read(8)) == 8:
            if head[4:] == b'eXIf':
                return True
            file.fp.seek(int.from_bytes(head[:4], 'big') + 4, io.SEEK_CUR)
    finally:
        file.fp.seek(place)
    return False
