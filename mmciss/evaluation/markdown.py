"""Tables and numbers in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

EMPTY = '–'


def number(value: float | None, digits: int = 1) -> str:
    """Writes a number, or a dash for None and NaN.

    Examples:
        >>> number(12.345), number(None), number(-0.01)
        ('12.3', '–', '0.0')
    """
    if value is None or math.isnan(value):
        return EMPTY
    text = f'{value:.{digits}f}'
    return text.removeprefix('-') if float(text) == 0 else text


def ordinal(place: int) -> str:
    """Writes a place as a word would be said.

    Examples:
        >>> ordinal(1), ordinal(12), ordinal(23)
        ('1st', '12th', '23rd')
    """
    ending = 'th' if place // 10 % 10 == 1 else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')
    return f'{place}{ending}'


def spread(mean: float | None, deviation: float | None) -> str:
    """Writes a mean with its standard deviation, if that is known.

    Examples:
        >>> spread(12.34, 0.56), spread(12.34, None)
        ('12.3 ± 0.6', '12.3')
    """
    text = number(mean)
    return text if deviation is None or math.isnan(deviation) else f'{text} ± {number(deviation)}'


def duration(seconds: float | None) -> str:
    """Writes a time as hours, minutes and seconds.

    Examples:
        >>> duration(3725.4), duration(42)
        ('1:02:05', '0:42')
    """
    if seconds is None:
        return EMPTY
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'


def table(header: Sequence[Any], rows: Sequence[Sequence[Any]], text_columns: int = 1) -> str:
    """Writes a table whose source is aligned too, so that it reads well in a terminal.

    Args:
        header: Column titles.
        rows: Cells, turned into text with ``str``.
        text_columns: How many of the first columns are left-aligned; the others are right-aligned.
    """
    cells = [[str(cell).replace('|', '\\|') for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]

    rule = ['-' * width if column < text_columns else '-' * (width - 1) + ':' for column, width in enumerate(widths)]
    lines = []
    for row in (cells[0], rule, *cells[1:]):
        padded = [
            cell.ljust(width) if column < text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f'| {" | ".join(padded)} |')
    return '\n'.join(lines)
