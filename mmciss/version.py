"""The version of mmciss."""

__version__ = '0.1.0'
