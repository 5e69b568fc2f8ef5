"""Reading and writing files: a crash leaves the old content or the new one, never half of it.

``mmciss.protocols`` uses this module and works without torch, so torch is imported only where it is needed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmciss.errors import first_line

_KINDS = {
    stat.S_IFIFO: 'a FIFO',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
    stat.S_IFDIR: 'a folder',
}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuses anything but a regular file; links are followed. Opening a FIFO would wait for a writer for ever.

    Raises:
        ValueError: Saying what it is instead.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise ValueError('does not exist') from None
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror})') from None
    if not stat.S_ISREG(mode):
        raise ValueError(f'is {_KINDS.get(stat.S_IFMT(mode), "not a regular file")}, not an image file')


def cache_folder() -> Path:
    """Returns the folder for caches that cannot be next to the data: ``$MMCISS_CACHE`` or ``~/.cache/mmciss``."""
    return Path(os.environ.get('MMCISS_CACHE') or Path('~/.cache/mmciss').expanduser())


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a temporary file next to ``path``, flushes it to disk and renames it.

    Args:
        path: The final name.
        write: Called with the temporary path.

    Raises:
        OSError: If the disk is full or read-only; the old file, if any, is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        write(temporary)
        with open(temporary, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding='utf-8'))


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON atomically."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False))


def read_json(path: str | Path) -> Any | None:
    """Reads JSON; returns None if the file is missing, empty or truncated."""
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None


def save_tensors(path: str | Path, content: Any) -> None:
    """Writes a torch file atomically."""
    import torch

    buffer = io.BytesIO()  # if torch wrote the file itself, a full disk would be an error without the file's name
    torch.save(content, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load_tensors(path: str | Path) -> Any:
    """Reads a torch file without executing any code it may hold.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, or holds objects other than tensors and plain Python values.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(
            f'{path} is not a checkpoint that can be read safely (truncated, or it holds more than '
            f'tensors and plain values): {first_line(error)}'
        ) from error


def damaged_part(path: str | Path) -> str | None:
    """Returns the name of the first damaged part of a torch file, None if all are intact.

    torch stores a checksum with every tensor but does not check it when reading.
    """
    import torch

    if not torch.serialization.get_crc32_options():
        return None  # then no checksums are written
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except zipfile.BadZipFile as error:
        return first_line(error)


def file_checksum(path: str | Path) -> str:
    """Returns the SHA-256 of a file as hex digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def value_checksum(value: Any) -> str:
    """Returns the SHA-256 of a JSON-like value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
