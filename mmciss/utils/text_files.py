"""Reading a user's text files: they must be UTF-8, or the error names file, line and remedy."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import yaml

from mmciss.errors import ConfigError

WIDE = (
    (codecs.BOM_UTF32_LE, 'UTF-32'),
    (codecs.BOM_UTF32_BE, 'UTF-32'),
    (codecs.BOM_UTF16_LE, 'UTF-16'),
    (codecs.BOM_UTF16_BE, 'UTF-16'),
)
"""Byte order marks of other Unicode encodings; the longer ones first, since they begin with a shorter one."""


def read_text(path: str | Path, key: str = '', mark_allowed: bool = True) -> str:
    """Reads a text file in UTF-8.

    Args:
        path: The file.
        key: The config key or flag that names the file, for messages.
        mark_allowed: Whether the file may begin with UTF-8's byte order mark, which is removed. Must be False if other
            code will read the file and take the mark as part of the first line.

    Raises:
        ConfigError: If the file has another encoding or contains NUL bytes, naming the line.
        FileNotFoundError: If there is no such file.
    """
    content = Path(path).read_bytes()
    where = f'{key}: {path}' if key else str(path)
    for mark, name in WIDE:
        if content.startswith(mark):
            raise ConfigError(f'{where}, line 1: the file is in {name}, not in UTF-8. {_convert(path, name)}')
    if b'\0' in content:
        line = content[: content.index(b'\0')].count(b'\n') + 1
        wide = content.count(b'\0') > len(content) // 3
        raise ConfigError(
            f'{where}, line {line}: holds NUL bytes. '
            + (
                f'The file is probably in UTF-16. {_convert(path, "UTF-16LE")}'
                if wide
                else 'Text has none; the file is damaged or not text.'
            )
        )
    if content.startswith(codecs.BOM_UTF8) and not mark_allowed:
        raise ConfigError(
            f'{where}, line 1: begins with a byte order mark (EF BB BF), which would become part of '
            f"the first name. Remove it:  sed -i '1s/^\\xEF\\xBB\\xBF//' {path}"
        )
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b'\n') + 1
        raise ConfigError(
            f'{where}, line {line}: byte 0x{content[error.start]:02X} is not UTF-8; the file is probably in '
            f'Latin-1. {_convert(path, "LATIN1")}'
        ) from None


def _convert(path: str | Path, encoding: str) -> str:
    return f'Convert it:  iconv -f {encoding} -t UTF-8 {path} > {path}.utf8'


def read_yaml(path: Path) -> Any:
    """Reads a data file of this package, by PyYAML's fast parser where it is installed."""
    return yaml.load(path.read_text(encoding='utf-8'), Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
