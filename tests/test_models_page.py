"""docs/models.md has a row for every model family, and a sample of the rows is run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.models.classifiers.head_config import WORKING_HEADS
from tests.models import zoo, zoo_page
from tests.paths import ROOT

PAGE = ROOT / 'docs' / 'models.md'
SAMPLE = ('ocrnet', 'pidnet', 'fastscnn', 'point_rend', 'segmenter_vit-t_mask', 'vpd', 'mmpretrain.ConvNeXt')
"""A cascade, several classifiers whose losses go by position, a loss that is kept, adapters, a refused model, and a
backbone of mmpretrain."""

needs_configs = pytest.mark.skipif(
    not zoo.zoo(), reason=f'MMSegmentation was installed without its configs ({zoo.CONFIGS})'
)


def rows() -> dict[str, zoo_page.Row]:
    return zoo_page.read_rows(PAGE.read_text(encoding='utf-8'))


@needs_configs
def test_every_family_is_on_the_page() -> None:
    assert list(rows()) == zoo.cases()


def test_the_page_matches_its_rows() -> None:
    assert zoo_page.page(list(rows().values())) == PAGE.read_text(encoding='utf-8'), (
        'edited by hand; run tools/model_table.py'
    )


def test_every_head_listed_as_working_works() -> None:
    found = {row.head for row in rows().values() if row.result == zoo_page.WORKS}
    assert set(WORKING_HEADS.replace(' ', '').split(',')) == found


@needs_configs
@pytest.mark.parametrize('name', SAMPLE)
def test_a_row_is_current(name: str, tmp_path: Path) -> None:
    row = rows()[name]
    if row.result == zoo_page.NOT_HERE:
        pytest.skip(f'{name}: {row.reason}')
    assert zoo.run(name, tmp_path) == row
