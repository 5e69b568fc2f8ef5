"""Labelers complete the labels of a step with the teacher's predictions."""

from mmciss.models.labelers.entropy_labeler import EntropyLabeler, PrototypeEntropyLabeler
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.labelers.selective_ignore import SelectiveIgnore
from mmciss.models.labelers.teacher_labeler import MaskLabeler, TeacherLabeler, ThresholdLabeler, UnknownLabeler
