"""What MMSegmentation's loader makes of the ids in a mask file."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmciss.datasets.raw_ids import convert_counts, dataset_id_table


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.dictionaries(st.integers(0, 150), st.integers(0, 255), max_size=20))
def test_table_does_what_the_loader_does(tmp_path_factory: object, reduce: bool,
                                         label_map: dict[int, int]) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / 'all_ids.png'
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    results = LoadAnnotations()(dict(seg_map_path=str(path), reduce_zero_label=reduce,
                                     label_map=label_map or None, seg_fields=[]))
    table = dataset_id_table(reduce, label_map or None)
    assert np.array_equal(results['gt_seg_map'].ravel(), table)


def test_counts_are_converted() -> None:
    table = dataset_id_table(reduce_zero_label=True, label_map={0: 1, 1: 1, 2: 255})
    columns = np.full(256, -1)
    columns[[0, 1, 255]] = [0, 2, 1]
    # Image 0: file ids 0 (5 pixels), 1 (7), 2 (1); image 1: none; image 2: file id 3 (9).
    dense = convert_counts(np.array([0, 3, 3, 4]), np.array([0, 1, 2, 3]),
                           np.array([5, 7, 1, 9]), table, columns, 3)
    assert dense.tolist() == [[0, 5, 8], [0, 0, 0], [0, 9, 0]]
