"""The progress bar."""

from __future__ import annotations

import io

import pytest

from mmciss.utils.pool import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr('sys.stderr', stderr)
    with Progress('Reading', 2000) as bar:
        bar.advance(2000)
    assert stderr.getvalue() == f'\rReading [{"#" * 30}] 2,000/2,000, 0 s left \n'


def test_time_left() -> None:
    bar = Progress('Reading', 10, show=False)
    assert bar.line(1.0).endswith('0/10, 0 s left ')
    bar.advance(4)
    assert '4/10, 6 s left' in bar.line(4.0)


@pytest.mark.parametrize(
    ('stream', 'total', 'show'), [(io.StringIO(), 2, True), (Terminal(), 2, False), (Terminal(), 0, True)]
)
def test_silence(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, total: int, show: bool) -> None:
    monkeypatch.setattr('sys.stderr', stream)
    with Progress('Reading', total, show) as bar:
        bar.advance(total)
    assert stream.getvalue() == ''
