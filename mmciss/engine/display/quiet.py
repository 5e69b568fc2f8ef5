"""Keeps what libraries print away from the console; their logs go to files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging import FileHandler, Handler, Logger, LogRecord, StreamHandler

NOISE = ('will be deprecated', 'paramwise_options -- ')
"""What mmengine logs about calls inside MMSegmentation for every data set, and about every parameter with a rate of its
own; nothing that a user can act on."""


class PlainHandler(Handler):
    """Prints messages without time and name of the logger.

    Args:
        show: Prints a line.
        level: The lowest level that is printed.
    """

    def __init__(self, show: Callable[[str], None], level: int) -> None:
        super().__init__(level)
        self.show = show

    def emit(self, record: LogRecord) -> None:
        """Prints the message, and the level of what is worse than a piece of information."""
        text = record.getMessage()
        if any(noise in text for noise in NOISE):
            return
        self.show(text if record.levelno <= logging.INFO else f'{record.levelname.lower()}: {text}')


def quiet(logger: Logger, show: Callable[[str], None], level: int = logging.WARNING) -> None:
    """Lets a logger write to its files and print little.

    Args:
        logger: A logger, such as the one that mmengine makes for every run.
        show: Prints a line.
        level: The lowest level that is still printed.
    """
    for handler in list(logger.handlers):
        to_console = isinstance(handler, StreamHandler) and not isinstance(handler, FileHandler)
        if to_console or isinstance(handler, PlainHandler):
            logger.removeHandler(handler)
    logger.addHandler(PlainHandler(show, level))
