"""Formats that people label in: each is read as index masks with class names."""

from mmciss.datasets.label_formats.convert import Conversion, convert_labels, convert_once
from mmciss.datasets.label_formats.export import ImageLabels, LabelExport
from mmciss.datasets.label_formats.find import find_export, open_export
