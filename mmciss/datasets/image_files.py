"""Reading an image or mask as a pipeline's loader does: its size and its pixels.

Cameras store a photograph as the sensor saw it and note its orientation in EXIF. Loaders treat that differently:
MMSegmentation turns images upright and leaves masks as stored. Rather than keep a list, this file tries each loader's
decoder on a picture of two pixels.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations as LoadSegAnnotations
from mmseg.registry import TRANSFORMS
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from mmciss.errors import first_line
from mmciss.registry import class_of
from mmciss.utils.files import check_regular

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

_PROBED = {'JPEG': 'JPEG', 'MPO': 'JPEG', 'PNG': 'PNG', 'WEBP': 'WEBP', 'TIFF': 'TIFF'}
"""The format of the test picture for each format of a file."""


@dataclass(frozen=True)
class Reader:
    """How files are decoded, as arguments of :func:`mmcv.imfrombytes`.

    Attributes:
        backend: The decoder; mmcv's choice if None.
        flag: The colour type; ``'unchanged'`` and names with ``ignore_orientation`` leave the picture as stored.
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
"""How MMSegmentation reads images by default."""
MASKS = Reader('pillow', 'unchanged')
"""How MMSegmentation reads masks by default."""


def check_whole(path: str) -> None:
    """Decodes a file with Pillow, which rejects damage that other decoders fill with grey.

    Files in formats that Pillow does not know are accepted.

    Raises:
        ValueError: If the file is damaged, saying how.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(path) as file:
                file.load()
    except UnidentifiedImageError:
        return
    except Exception as error:  # every decoder has errors of its own
        raise ValueError(f'is damaged ({first_line(error)})') from error


@dataclass(frozen=True)
class ImageSize:
    """The size of a picture.

    Attributes:
        width, height: Pixels, as the reader gives them.
        orientation: The file's EXIF orientation, 1 if none.
        obeyed: Whether the reader turns the picture accordingly.
    """

    width: int
    height: int
    orientation: int = 1
    obeyed: bool = True

    def __str__(self) -> str:
        return f'{self.width}x{self.height}'

    @property
    def note(self) -> str:
        """Mentions the orientation, if any; for messages."""
        return f' (EXIF orientation {self.orientation})' if self.orientation != 1 else ''


def image_size(path: str, reader: Reader = IMAGES) -> ImageSize | None:
    """Returns the size of an image as a reader gives it, from the file's header if that is enough.

    Args:
        path: The file.
        reader: How it will be decoded.

    Returns:
        The size; None for formats that Pillow does not know.

    Raises:
        ValueError: If the file is missing, unreadable, not a regular file or a decompression bomb, saying why.
    """
    check_regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path) as file:
                width, height = file.size
                kind, orientation, plain = file.format, *_orientation(file)
                stored = (width, height) if kind != 'TIFF' or orientation not in SIDEWAYS else (height, width)
    except UnidentifiedImageError:
        if path.rpartition('.')[2].lower() in ('png', 'jpg', 'jpeg'):
            raise ValueError('is not a readable image') from None
        return None
    except Image.DecompressionBombError as error:
        raise ValueError(
            f'is refused, its header claims too many pixels ({first_line(error)}; the limit is twice '
            f'PIL.Image.MAX_IMAGE_PIXELS)'
        ) from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f'cannot be read ({first_line(error)})') from None
    if orientation == 1 and plain:
        return ImageSize(width, height)
    if plain and kind in _PROBED:
        obeyed = obeys(_PROBED[kind], reader)
        return ImageSize(*(stored[::-1] if obeyed and orientation in SIDEWAYS else stored), orientation, obeyed)
    height, width = reader.decode(path).shape[:2]  # decoders differ on such tags: decode to find out
    return ImageSize(width, height, orientation, orientation == 1 or (width, height) != stored)


@cache
def obeys(kind: str, reader: Reader) -> bool:
    """Whether a reader turns pictures of a format according to their EXIF orientation.

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
    """Returns the orientation of an open file, and whether a readable EXIF tag in its header gives it.

    It may also stand in XMP or at the end of a PNG, where not every decoder looks. Invalid values count as 1.
    """
    key = ExifTags.Base.Orientation
    if isinstance(file, PngImagePlugin.PngImageFile):
        told = {'exif', 'xmp', 'XML:com.adobe.xmp', 'Raw profile type exif'} & file.info.keys()
        if not told and not _exif_after_pixels(file):  # Pillow would decode the whole picture to find out
            return 1, True
    elif 'exif' not in file.info and 'xmp' not in file.info and file.format != 'TIFF':
        return 1, True
    try:
        found = file.getexif().get(key, 1)
        head = Image.Exif()
        head.load(file.info.get('exif') or b'')
    except Exception:  # the EXIF data is garbage
        return 1, False
    found = found if found in range(1, 9) else 1
    return found, found == 1 or file.format == 'TIFF' or head.get(key) == found


def _exif_after_pixels(file: PngImagePlugin.PngImageFile) -> bool:
    """Whether a PNG has EXIF data after its pixels."""
    stream = file.fp
    assert stream is not None, 'the file is open'
    place = stream.tell()
    try:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            if head[4:] == b'eXIf':
                return True
            stream.seek(int.from_bytes(head[:4], 'big') + 4, io.SEEK_CUR)
    finally:
        stream.seek(place)
    return False


NESTING = ('transforms', 'subroutines')
"""Attributes in which transforms hold other transforms: Compose, RandomApply, RandomChoice, TestTimeAug."""


def readers_of(pipeline: Any) -> tuple[Reader | None, Reader | None]:
    """Returns how a built pipeline decodes images and masks; None for a custom loader, whose way is unknown.

    If a pipeline loads no masks, as test pipelines may, MMSegmentation's default is returned for them.

    Examples:
        >>> readers_of([LoadImageFromFile(color_type='color_ignore_orientation'), LoadSegAnnotations()])
        (Reader(backend='cv2', flag='color_ignore_orientation'), Reader(backend='pillow', flag='unchanged'))
    """
    images: Reader | None = None
    masks: Reader | None = MASKS
    for transform in transforms_of(pipeline):
        kind = type(transform)
        if isinstance(transform, LoadImageFromFile):
            if images is None and kind.transform is LoadImageFromFile.transform:
                images = Reader(transform.imdecode_backend, transform.color_type)
        elif isinstance(transform, LoadAnnotations):
            known = kind._load_seg_map in (LoadAnnotations._load_seg_map, LoadSegAnnotations._load_seg_map)
            masks = Reader(transform.imdecode_backend, MASKS.flag) if known else None
    return images, masks


def readers_of_configs(pipeline: Iterable[Mapping[str, Any]]) -> tuple[Reader | None, Reader | None]:
    """Returns the same as :func:`readers_of` for a pipeline's config, of which only the loaders are built."""
    loaders = []
    for config in pipeline:
        kind = class_of(TRANSFORMS, config)
        if isinstance(kind, type) and issubclass(kind, (LoadImageFromFile, LoadAnnotations)):
            loaders.append(TRANSFORMS.build(dict(config)))
    return readers_of(loaders)


def transforms_of(node: Any) -> Iterator[Any]:
    """Yields every transform of a pipeline in order, however deeply nested."""
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from transforms_of(child)
        return
    inner = [getattr(node, name) for name in NESTING if hasattr(node, name)]
    for child in inner:
        if child is not None:
            yield from transforms_of(child)
    if not inner:
        yield node
