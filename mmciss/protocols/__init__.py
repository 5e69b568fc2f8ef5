"""Protocols: which classes each step learns, from which images and labels; pure Python and NumPy, without torch."""

from __future__ import annotations

from mmciss.protocols.build import build_protocol
from mmciss.protocols.labels import LabelPolicy, check_ids, class_of_id, label_policy, unknown_ids
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.protocol import SETTINGS, Protocol
from mmciss.protocols.scan import MaskScan, load_or_scan, scan_masks
from mmciss.protocols.settings import select_images, select_test_images
from mmciss.protocols.step import Step
