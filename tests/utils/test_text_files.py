"""UTF-8 text is read; other text is refused with a remedy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mmciss.errors import ConfigError
from mmciss.utils.text_files import read_text

TEXT = 'a\ncafé\nz\n'


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig'])
def test_utf8_with_or_without_a_mark(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / 'list.txt'
    path.write_text(TEXT, encoding=encoding)
    assert read_text(path) == TEXT


@pytest.mark.parametrize(
    ('encoding', 'message'),
    [
        ('latin-1', 'list.txt, line 2: byte 0xE9 is not UTF-8; the file is probably in Latin-1.'),
        ('utf-16', 'list.txt, line 1: the file is in UTF-16'),
        ('utf-32', 'list.txt, line 1: the file is in UTF-32'),
        ('utf-16-le', 'list.txt, line 1: holds NUL bytes. The file is probably in UTF-16.'),
    ],
)
def test_other_encodings_are_named_with_the_command_that_helps(encoding: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / 'list.txt'
    path.write_text(TEXT, encoding=encoding)
    with pytest.raises(ConfigError) as error:
        read_text(path, 'some.key')
    assert str(error.value).startswith(f'some.key: {tmp_path}') and message in str(error.value)
    if shutil.which('iconv'):
        subprocess.run(str(error.value).partition('Convert it:  ')[2], shell=True, check=True)
        assert read_text(f'{path}.utf8') == TEXT


def test_nul_bytes_and_a_mark_that_another_reader_would_keep(tmp_path: Path) -> None:
    path = tmp_path / 'list.txt'
    path.write_bytes(b'first name\nsecond\0name\n')
    with pytest.raises(ConfigError, match='line 2: holds NUL bytes. Text has none'):
        read_text(path)
    path.write_text(TEXT, encoding='utf-8-sig')
    with pytest.raises(ConfigError, match='line 1: begins with a byte order mark') as error:
        read_text(path, mark_allowed=False)
    if shutil.which('sed'):
        subprocess.run(str(error.value).partition('Remove it:  ')[2], shell=True, check=True)
        assert read_text(path, mark_allowed=False) == TEXT
