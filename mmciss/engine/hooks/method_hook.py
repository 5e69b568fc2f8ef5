"""Hooks that are slots of a method."""

from __future__ import annotations

from mmengine.hooks import Hook

from mmciss.models.slot import SlotLife


class MethodHook(SlotLife, Hook):
    """Base class of hooks in ``method.hooks`` that reject steps or leave something for the next step.

    Of a slot's life they have :meth:`check_step`, :meth:`end` and :meth:`state`; ``before_train`` takes the place of
    ``begin``. The next step finds what :meth:`state` returned under the name of the class,
    ``context.previous.slot('hooks.MyHook')``.
    """
