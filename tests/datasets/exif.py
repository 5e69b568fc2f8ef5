"""Pictures as cameras store them: turned, with an EXIF orientation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture has to be turned to be stored with an orientation."""


def save_turned(path: Path, upright: np.ndarray, orientation: int, kind: str | None = None, **options: object) -> Path:
    """Stores a picture such that its EXIF orientation turns it upright."""
    picture = Image.fromarray(upright)
    if orientation in STORED:
        picture = picture.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, kind, exif=exif, **options)
    return path
