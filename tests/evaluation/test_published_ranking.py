"""Tests of mmciss.evaluation.published_ranking and of what is known about the methods in it."""

from __future__ import annotations

from typing import Any

import pytest

from mmciss.evaluation.merged_text import _ranking
from mmciss.evaluation.published import FOLDER, method_key, models_background, published
from mmciss.evaluation.published_ranking import best_published, published_ranking
from mmciss.utils.configs import load_method, method_names
from mmciss.utils.text_files import read_yaml

VOC = ('voc', '15-1', 'overlapped')
SHAPES = ('ShapesDataset', '15-1', 'overlapped')


def rows(*methods: str, **more: Any) -> list[dict[str, Any]]:
    """Returns rows of methods, the best first."""
    return [
        dict(name=name, method=name, joint=False, all=90.0 - 5 * place) | more for place, name in enumerate(methods)
    ]


def test_a_problem_without_published_numbers_is_compared_with_voc() -> None:
    found = published_ranking(rows('MiB', 'PLOP', 'SSUL', 'Ours'), SHAPES)
    assert found['reference'] == 'Pascal VOC 15-1, overlapped'
    assert [(item['name'], item['place'], item['published_place']) for item in found['methods']] == [
        ('MiB', 1, 3),
        ('PLOP', 2, 2),
        ('SSUL', 3, 1),
    ]
    own = published_ranking(rows('MiB', 'PLOP', 'SSUL'), ('voc', '10-1', 'overlapped'))
    assert own['reference'] == 'Pascal VOC 10-1, overlapped'
    few = published_ranking(rows('MiB', 'PLOP', 'DFT*', 'SSUL'), ('voc', '2-2', 'overlapped'))
    assert few['reference'] == 'Pascal VOC 15-1, overlapped', 'SSUL and DFT* have no number on 2-2'
    assert published_ranking(rows('MiB', 'PLOP', 'SSUL'), ('own', '1-1', 'domain')) is None


def test_fewer_than_three_methods_have_no_ranking() -> None:
    assert published_ranking(rows('MiB', 'PLOP', 'Ours'), VOC) is None
    assert published_ranking([*rows('MiB', 'PLOP'), *rows('Joint', joint=True)], VOC) is None
    assert published_ranking([*rows('MiB', 'PLOP'), *rows('SSUL', all=float('nan'))], VOC) is None
    assert _ranking(None) == ''


def test_a_method_counts_once_with_its_best_row() -> None:
    variants = rows('MiB (a)', 'MiB (b)', method='MiB') + rows('PLOP', 'SSUL')
    found = published_ranking(sorted(variants, key=lambda row: -row['all']), VOC)
    assert [item['name'] for item in found['methods']] == ['MiB (a)', 'PLOP', 'SSUL']


def test_far_places_are_told() -> None:
    """FT, last in all papers, is put first; every other method moves by one place."""
    others = ['STAR', 'DKD', 'SSUL', 'GSC', 'PLOP', 'MiB']
    found = published_ranking(rows('FT', *others), SHAPES)
    assert [item['name'] for item in found['methods'] if item['far']] == ['FT']
    assert found['correlation']['models_background'] == pytest.approx(1) and found['n']['models_background'] == 6
    assert found['correlation']['all'] == pytest.approx(1 - 6 * (36 + 6) / (7 * 48))
    text = _ranking(found)
    assert '0.25 for the 7 methods, 1.00 for the 6 that model the background.**' in text
    assert 'More than 5 places apart: FT is 1st here and 7th there.' in text


def test_one_number_per_method() -> None:
    assert (best_published(VOC, 'MiB').all, best_published(VOC, 'MiB').source) == (29.29, 'PLOP paper')
    assert best_published(VOC, 'DKD').all == 70.5, 'official before recalled'
    assert best_published(VOC, 'EWC').all == 1.3, 'without the background if there is no other'
    assert best_published(VOC, 'Ours') is None


def test_methods_that_model_the_background_have_slots_for_it() -> None:
    listed = read_yaml(FOLDER / 'methods.yaml')['models_background']
    configs = {method_key(cfg.get('name', 'FT')): cfg for cfg in (load_method(name).method for name in method_names())}
    ours = [configs[method_key(name)] for name in listed]
    assert all(cfg.get('main_loss') or cfg.get('labeler') for cfg in ours)
    assert all(published(methods=[name]) for name in listed) and len(set(listed)) == len(listed)
    assert models_background('MiB + EWF') and models_background('plop')
    assert not any(map(models_background, ('FT', 'LwF', 'LwF-MC', 'ILT', 'EWC', 'PI', 'RW', 'Joint', 'DFT*', 'Ours')))
