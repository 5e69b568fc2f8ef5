from __future__ import annotations

import pytest

from mmciss.errors import ConfigError
from mmciss.models.classifiers import find_growable
from mmciss.models.classifiers.query_heads import check_pixels


@pytest.mark.parametrize('kind', ['MaskFormerHead', 'mmseg.Mask2FormerHead'])
def test_heads_that_classify_queries_are_refused_without_mmdet(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"model.decode_head: Mask\w+Head classifies queries, not pixels.*'no object'"):
        find_growable(dict(type=kind, num_classes=150))


def test_other_heads_pass() -> None:
    check_pixels(dict(type='FCNHead'), 'model.decode_head')
