"""The progress bar."""

from __future__ import annotations

import io
import threading

import pytest

from mmciss.utils.pool import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr('sys.stderr', stderr)
    monkeypatch.setattr('mmciss.utils.pool._PERIOD', 0.0)
    monkeypatch.setenv('TERM', 'xterm')
    threads = threading.active_count()
    with Progress('Reading', 2000) as bar:
        bar.advance(500)
        assert 'Reading' in stderr.getvalue() and ' 500/2000' in stderr.getvalue()
        assert threading.active_count() == threads, 'a fork copies no thread'
    assert stderr.getvalue().endswith('\x1b[2K')


@pytest.mark.parametrize(
    ('stream', 'total', 'show'), [(io.StringIO(), 2, True), (Terminal(), 2, False), (Terminal(), 0, True)]
)
def test_silence(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, total: int, show: bool) -> None:
    monkeypatch.setattr('sys.stderr', stream)
    with Progress('Reading', total, show) as bar:
        bar.advance(total)
    assert stream.getvalue() == ''
