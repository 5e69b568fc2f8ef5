"""The class that a config means."""

from __future__ import annotations

from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.models.labelers import Labeler
from mmciss.registry import LABELERS, class_of


def test_the_type_may_be_a_name_or_a_class() -> None:
    labeler = class_of(LABELERS, dict(type='TeacherLabeler'))
    assert issubclass(labeler, Labeler) and class_of(LABELERS, dict(type=labeler)) is labeler
    assert class_of(MODELS, dict(type='mmseg.FCNHead')) is MODELS.get('FCNHead'), 'with the scope before it'


def test_there_may_be_none() -> None:
    assert class_of(MODELS, None) is class_of(MODELS, {}) is class_of(MODELS, dict(type='NoHead')) is None
