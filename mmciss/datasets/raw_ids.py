"""What MMSegmentation's loader makes of the ids in a mask file, as one table."""

from __future__ import annotations

import numpy as np


def dataset_id_table(reduce_zero_label: bool = False, label_map: dict[int, int] | None = None) -> np.ndarray:
    """Returns the (256,) uint8 table from an id in the file to the id after ``LoadAnnotations``.

    Args:
        reduce_zero_label: 0 becomes 255 (ignored), every other id one less; 255 stays.
        label_map: Then, which id becomes which; others stay.

    Examples:
        >>> dataset_id_table(reduce_zero_label=True)[[0, 1, 150, 255]]
        array([255,   0, 149, 255], dtype=uint8)
    """
    table = np.arange(256)
    if reduce_zero_label:
        table = table - 1
        table[[0, 255]] = 255
    if label_map:
        step = np.arange(256)
        for old, new in label_map.items():
            step[old] = new
        table = step[table]
    return table.astype(np.uint8)
