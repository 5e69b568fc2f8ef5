"""Heads that classify queries and not pixels, and why they are refused."""
from __future__ import annotations

from typing import Any

from mmciss.errors import ConfigError

QUERY_HEADS = ('MaskFormerHead', 'Mask2FormerHead')
"""MMSegmentation's wrappers of MMDetection's heads."""


def check_pixels(head: dict[str, Any], key: str) -> None:
    """Refuses heads that classify queries.

    New rows would not be the difficulty: if they take a share of the row 'no object', the scores of
    the old classes stay exactly what they were, as with MiB's share of the background. Learning is:
    the loss gives each labelled segment of an image to one query and calls all other queries 'no
    object'. On new images, whose old classes nobody labelled, this teaches that there are none; and
    what hinders forgetting elsewhere compares logits of pixels, which these heads do not have (the
    score of a pixel is a sum of probabilities over queries).

    Args:
        head: Config of a head.
        key: Where it stands.

    Raises:
        ConfigError: Saying so.
    """
    kind = str(head.get('type')).rpartition('.')[2]
    if kind in QUERY_HEADS:
        raise ConfigError(
            f'{key}: {kind} classifies queries, not pixels, and cannot learn further classes here: '
            f"its loss calls every query without a labelled segment 'no object', old classes that "
            f'nobody labelled too, and there are no logits of pixels on which the old model could be '
            f'kept. It needs losses over queries of its own.')
