"""What NeST learns before training."""

from __future__ import annotations

import torch

from mmciss.engine.statistics.row_pretuning import RowTransformation

WEIGHT = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 1.0]])
BIAS = torch.tensor([0.5, -0.25, 0.125])


def test_start_by_hand() -> None:
    """Shares are the softmax of the contributions added up over channels: (3, 1, 0)."""
    contributions = torch.tensor([[[1.0, 2.0], [0.0, 1.0], [0.0, 0.0]]])
    rows = RowTransformation(WEIGHT, BIAS, contributions, torch.tensor([0.5])).rows()
    q = torch.tensor([3.0, 1.0, 0.0]).exp() / sum(torch.tensor([3.0, 1.0, 0.0]).exp())
    expected = torch.stack([q[0] * 1.0 * 1.0, q[0] * 2.0 * -2.0 + q[1] * 1.0 * 0.5])
    torch.testing.assert_close(rows['weight'][0], expected)
    assert torch.equal(rows['background'], WEIGHT[0]) and rows['bias'].tolist() == [0.5]


def test_a_class_without_a_site_is_a_copy_of_the_background() -> None:
    contributions = torch.stack([torch.full((3, 2), torch.nan), torch.ones(3, 2)])
    rows = RowTransformation(WEIGHT, BIAS, contributions, BIAS[:1].expand(2)).rows()
    assert torch.equal(rows['weight'][0], WEIGHT[0])
    torch.testing.assert_close(rows['weight'][1], WEIGHT.mean(0))


def test_old_rows_keep_their_answers_and_learn_nothing() -> None:
    rows = RowTransformation(WEIGHT, BIAS, torch.ones(2, 3, 2), BIAS[:2])
    embedding = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    logits = rows(embedding)
    torch.testing.assert_close(logits[:, :3], embedding @ WEIGHT.T + BIAS)
    logits.square().sum().backward()
    assert {name for name, value in rows.named_parameters() if value.grad is not None} == {
        'transformation',
        'shares',
        'bias',
        'mask',
        'scale',
    }


def test_a_classifier_without_biases_keeps_none() -> None:
    rows = RowTransformation(WEIGHT, None, torch.ones(1, 3, 2), torch.zeros(1))
    assert not rows.bias.requires_grad and rows(torch.zeros(1, 2)).tolist() == [[0, 0, 0, 0]]
