"""What MMSegmentation's loader makes of the ids in a mask file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmciss.datasets.raw_ids import dataset_id_table


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.dictionaries(st.integers(0, 150), st.integers(0, 255), max_size=20))
def test_table_does_what_the_loader_does(tmp_path_factory: object, reduce: bool, label_map: dict[int, int]) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / 'all_ids.png'
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    results = LoadAnnotations()(
        dict(seg_map_path=str(path), reduce_zero_label=reduce, label_map=label_map or None, seg_fields=[])
    )
    table = dataset_id_table(reduce, label_map or None)
    assert np.array_equal(results['gt_seg_map'].ravel(), table)
