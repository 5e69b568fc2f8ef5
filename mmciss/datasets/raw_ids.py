"""What MMSegmentation's loader makes of the ids in a mask file, as one table."""
from __future__ import annotations

import numpy as np
from mmseg.datasets import BaseSegDataset


def dataset_id_table(reduce_zero_label: bool = False,
                     label_map: dict[int, int] | None = None) -> np.ndarray:
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


def table_of(dataset: BaseSegDataset) -> np.ndarray:
    """Returns :func:`dataset_id_table` for the settings of a data set."""
    return dataset_id_table(dataset.reduce_zero_label, dataset.label_map)


def convert_counts(indptr: np.ndarray, ids: np.ndarray, counts: np.ndarray, table: np.ndarray,
                   columns: np.ndarray, width: int) -> np.ndarray:
    """Turns sparse pixel counts by raw id into dense ones by class number.

    Args:
        indptr: (N + 1,) start of each image's entries.
        ids: (E,) raw id of each entry.
        counts: (E,) pixels of each entry.
        table: (256,) raw id to dataset id.
        columns: (256,) dataset id to column, -1 for ids to leave out.
        width: Number of columns.

    Returns:
        (N, width) int64.
    """
    images = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    column = columns[table[ids]]
    kept = column >= 0
    flat = images[kept] * width + column[kept]
    total = np.bincount(flat, weights=counts[kept], minlength=(len(indptr) - 1) * width)
    return total.astype(np.int64).reshape(-1, width)
