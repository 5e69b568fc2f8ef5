"""Dropping a library's warnings from the log that would repeat hundreds of times."""

from __future__ import annotations

import logging

from mmengine.logging import MMLogger


class FrozenParameterFilter(logging.Filter):
    """Drops mmengine's warning about every frozen parameter; methods freeze networks on purpose.

    :class:`mmciss.engine.hooks.progress_hook.ProgressHook` logs their number instead.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether a record is logged."""
        return 'is skipped since its requires_grad=False' not in str(record.msg)


FROZEN_PARAMETERS = FrozenParameterFilter()


def drop_frozen_parameter_notes() -> None:
    """Adds the filter to the current logger; calling this again changes nothing."""
    MMLogger.get_current_instance().addFilter(FROZEN_PARAMETERS)
