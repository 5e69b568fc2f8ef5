"""How every command-line tool ends: one line for what the user can fix, an exit status for scripts."""

from __future__ import annotations

import argparse
import errno
import logging
import sys
from collections.abc import Callable

from mmciss.errors import ConfigError
from mmciss.utils.environment import quiet_third_parties
from mmciss.utils.stopping import Stopped, stop_on_sigterm

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RESUME = 'the same command with --resume continues the run'
START_OVER = 'the same command starts over'


def command_parser(description: str | None, examples: str) -> argparse.ArgumentParser:
    """Makes the parser of a command; its help shows the description and the examples as they are written."""
    form = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=description, epilog=examples, formatter_class=form)


def run_command(work: Callable[[], object], again: str = RESUME) -> int:
    """Does the work of a tool and returns its exit status.

    What the user can fix ends with one line instead of a traceback: wrong input (2), a full or read-only disk or a
    loss that is not finite (1), Ctrl-C (130), SIGTERM (143).

    Args:
        work: Does the work.
        again: What to do after an interruption, as a sentence.
    """
    stop_on_sigterm()
    quiet_third_parties()
    logging.raiseExceptions = False  # a log file on a full disk must not hide the reason
    try:
        work()
    except (ConfigError, FileNotFoundError) as error:
        return _end(f'error: {error}', 2)
    except KeyboardInterrupt as error:
        by_signal = isinstance(error, Stopped)
        return _end(f'{"stopped by SIGTERM" if by_signal else "interrupted"}; {again}', 143 if by_signal else 130)
    except FloatingPointError as error:
        return _end(f'error: {error}', 1)
    except OSError as error:
        if error.errno in NO_SPACE:
            name = error.filename or 'a file of the run'
            return _end(f'error: cannot write {name}: {error.strerror}. Free some space; {again}', 1)
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return _end(f'error: cannot use {error.filename or "a file of the run"}: {error.strerror}', 1)
        raise
    return 0


def _end(line: str, status: int) -> int:
    sys.stderr.write(f'{line}\n')
    return status
