"""What loggers print."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmciss.engine.display import quiet


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger without handlers that passes on information."""
    found = logging.getLogger('mmciss quiet test')
    found.setLevel(logging.INFO)
    found.propagate = False
    yield found
    found.handlers.clear()


def test_a_quiet_logger_writes_all_to_its_file_and_prints_warnings(
    logger: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.addHandler(logging.StreamHandler())
    logger.addHandler(logging.FileHandler(tmp_path / 'log'))
    shown: list[str] = []
    for _ in range(2):  # a second call changes nothing
        quiet(logger, shown.append)
    logger.info('a long config')
    logger.warning('%d images are missing', 3)
    assert shown == ['warning: 3 images are missing']
    assert (tmp_path / 'log').read_text() == 'a long config\n3 images are missing\n'
    assert capsys.readouterr() == ('', '')


def test_information_can_be_shown_too_without_its_level(logger: logging.Logger) -> None:
    shown: list[str] = []
    quiet(logger, shown.append, logging.INFO)
    logger.info('The report is in x.')
    logger.info('paramwise_options -- head.weight:lr=0.2')
    assert shown == ['The report is in x.']
