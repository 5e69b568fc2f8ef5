"""Hooks of a method that are slots too."""

from __future__ import annotations

from mmengine.hooks import Hook

from mmciss.models.slot import SlotLife


class MethodHook(SlotLife, Hook):
    """Base class of hooks in ``method.hooks`` that refuse steps, or leave something for the next step.

    Of the life of a slot they have :meth:`check_step`, :meth:`end` and :meth:`state`; ``before_train`` is their
    beginning. What :meth:`state` returns is found under ``hooks`` and the name of the class:
    ``context.previous.slot('hooks.MyHook')``.
    """
