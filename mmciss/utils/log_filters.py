"""Keeping a library's notes out of the log where there would be hundreds of them."""

from __future__ import annotations

import logging

from mmengine.logging import MMLogger


class FrozenParameterFilter(logging.Filter):
    """Drops mmengine's warning per frozen parameter: a method that freezes a network means to.

    :class:`mmciss.engine.hooks.progress_hook.ProgressHook` logs their number instead.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether a record is logged."""
        return 'is skipped since its requires_grad=False' not in str(record.msg)


FROZEN_PARAMETERS = FrozenParameterFilter()


def drop_frozen_parameter_notes() -> None:
    """Lets the current logger drop the notes; twice is as good as once."""
    MMLogger.get_current_instance().addFilter(FROZEN_PARAMETERS)
