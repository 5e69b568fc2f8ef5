"""The protocols that papers report."""

from __future__ import annotations

PUBLISHED_NAMES: dict[str, tuple[str, ...]] = {
    'voc': ('19-1', '15-5', '15-1', '10-1', '10-5', '10-10', '5-3', '5-1', '5-5', '2-1', '2-2', 'offline'),
    'ade20k': ('100-50', '100-10', '100-5', '50-50', '50-20', 'offline'),
    'cityscapes': ('14-1', '14-5', '10-1', '10-9', '18-1', 'offline'),
    'cityscapes domains': ('11-5', '11-1', '1-1'),
}
"""By data set."""
