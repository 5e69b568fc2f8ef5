"""The page about models: a part of it is run again, and all of it must be there."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import zoo
from tests.paths import ROOT

PAGE = ROOT / 'docs' / 'models.md'
SAMPLE = ('ocrnet', 'pidnet', 'swin', 'knet', 'point_rend', 'segmenter_vit-t_mask', 'vpd', 'mmpretrain.ConvNeXt')
"""A cascade, several classifiers and losses by place, a transformer, a head of heads, refusals, a foreign backbone."""
ROWS = tuple(zoo.zoo())

needs_configs = pytest.mark.skipif(not ROWS, reason=f'MMSegmentation was installed without its configs ({zoo.CONFIGS})')


@needs_configs
def test_every_family_is_on_the_page() -> None:
    assert list(zoo.read_rows(PAGE.read_text(encoding='utf-8'))) == zoo.cases()


def test_the_page_is_what_the_rows_say() -> None:
    text = PAGE.read_text(encoding='utf-8')
    assert zoo.page(list(zoo.read_rows(text).values())) == text, 'edited by hand; run tools/model_table.py'


def test_heads_whose_classes_are_rows_work() -> None:
    """The 29 heads of MMSegmentation that need nothing of their own."""
    from mmciss.models.classifiers.probe import WORKING_HEADS
    rows = zoo.read_rows(PAGE.read_text(encoding='utf-8')).values()
    found = {row.head for row in rows if row.result == zoo.WORKS}
    assert set(WORKING_HEADS.replace(' ', '').split(',')) == found


@needs_configs
@pytest.mark.parametrize('name', SAMPLE)
def test_a_row_is_current(name: str, tmp_path: Path) -> None:
    row = zoo.read_rows(PAGE.read_text(encoding='utf-8'))[name]
    if row.result == zoo.NOT_HERE:
        pytest.skip(f'{name}: {row.reason}')
    assert zoo.run(name, tmp_path) == row
