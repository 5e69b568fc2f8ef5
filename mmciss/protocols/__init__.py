"""What is learned when: pure Python and NumPy, usable without MMSegmentation."""
from __future__ import annotations

from mmciss.protocols.build import build_protocol
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.step import Step

__all__ = ['Protocol', 'Step', 'build_protocol']
