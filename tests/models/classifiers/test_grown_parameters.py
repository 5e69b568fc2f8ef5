"""Parameters that are not rows of a layer: old parts are kept, new ones are zero or fresh."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.decode_heads import point_head
from mmseg.registry import MODELS
from torch import nn

from mmciss.models.classifiers import find_growable, grow_segmentor, load_old_rows, plain_state_dict
from mmciss.models.classifiers.grown_parameters import Growth, growth_of, without_growth
from tests.models.tiny_heads import point_sample_stub, tiny_segmentor


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    if point_head.point_sample is None:
        monkeypatch.setattr(point_head, 'point_sample', point_sample_stub)


def grown(name: str, sizes: tuple[int, ...]) -> nn.Module:
    config = tiny_segmentor(name, sum(sizes))
    model = MODELS.build(config)
    grow_segmentor(model, config, sizes)
    return model


def test_what_is_listed_is_found_by_type_and_name() -> None:
    head = MODELS.build(tiny_segmentor('SegmenterMaskTransformerHead', 3)).decode_head
    assert growth_of(head, 'cls_emb') == Growth(1, vectors=True) and growth_of(head, 'mask_norm.bias') == Growth(0)
    assert growth_of(head, 'patch_proj.weight') is None and growth_of(nn.Linear(2, 2), 'weight') is None
    assert find_growable(tiny_segmentor('PointHead', 3).decode_head[1]) == ['fc_seg']
    assert find_growable(tiny_segmentor('SegmenterMaskTransformerHead', 3).decode_head) == []


def test_only_as_many_more_along_the_listed_dimension_are_growth() -> None:
    assert without_growth(Growth(1), (8, 19, 1), (8, 20, 1), 1) == (8, 19, 1)
    assert without_growth(Growth(1), (3, 19, 1), (4, 20, 1), 1) == (4, 19, 1), 'rows are left for others to judge'
    assert without_growth(Growth(1), (8, 19, 1), (8, 22, 1), 1) == (8, 22, 1)
    assert without_growth(Growth(1), (8, 19, 1), (8, 22, 1), 3) == (8, 19, 1)
    assert without_growth(None, (8, 19), (8, 20), 1) == (8, 20) and without_growth(Growth(0), None, (3,), 1) == (3,)


@pytest.mark.parametrize('native', [False, True])
def test_point_head_ignores_new_scores_until_it_learns(native: bool) -> None:
    torch.manual_seed(0)
    old, new = grown('PointHead', (3, 1)), grown('PointHead', (3, 1, 2))
    assert load_old_rows(new, old.state_dict() if native else plain_state_dict(old)) == ([], [])
    fine, coarse = torch.randn(2, 8, 5), torch.randn(2, 6, 5)
    before = old.decode_head[1].eval()(fine, coarse[:, :4])
    head = new.decode_head[1].eval()
    torch.testing.assert_close(head(fine, coarse)[:, :4], before)
    torch.testing.assert_close(head(fine, torch.cat([coarse[:, :4], 100 * coarse[:, 4:]], 1))[:, :4], before)
    head(fine, coarse).sum().backward()
    assert head.fcs[0].conv.weight.grad[:, -2:].abs().sum() > 0, 'and can learn from them'


def test_segmenter_keeps_tokens_and_norm_of_old_classes() -> None:
    torch.manual_seed(0)
    old, new = grown('SegmenterMaskTransformerHead', (3, 1)), grown('SegmenterMaskTransformerHead', (3, 1, 2))
    nn.init.normal_(old.decode_head.mask_norm.weight)
    fresh = new.decode_head.cls_emb[:, 4:].clone()
    assert load_old_rows(new, plain_state_dict(old)) == ([], [])
    head = new.decode_head
    assert torch.equal(head.cls_emb[:, :4], old.decode_head.cls_emb) and torch.equal(head.cls_emb[:, 4:], fresh)
    assert torch.equal(head.mask_norm.weight[:4], old.decode_head.mask_norm.weight)
    assert head.mask_norm.weight[4:].tolist() == [1, 1] and head.mask_norm.bias[4:].tolist() == [0, 0]


def test_segmenter_cannot_start_with_the_old_outputs() -> None:
    """Not even with new tokens that are copies: every token takes attention, and every class enters the norm."""
    torch.manual_seed(0)
    old, new = grown('SegmenterMaskTransformerHead', (4,)), grown('SegmenterMaskTransformerHead', (4, 1))
    load_old_rows(new, plain_state_dict(old))
    with torch.no_grad():
        new.decode_head.cls_emb[:, 4:] = old.decode_head.cls_emb[:, :1]
    maps = [torch.randn(1, 16, 4, 4)]
    before, after = old.decode_head.eval()(maps), new.decode_head.eval()(maps)[:, :4]
    assert 1e-4 < (after - before).abs().max() < before.std()
