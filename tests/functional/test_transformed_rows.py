"""Tests of NeST's mathematics."""

from __future__ import annotations

import torch

from mmciss.functional import positive_contributions, transformed_rows, with_mean_norm
from tests.functional import closed_form as cf


def test_contributions_of_two_sites_by_hand() -> None:
    """Products f * w: (2, 3), (-2, 0) for the first site; (-1, 6), (1, 0) for the second. 0 is not positive."""
    embedding = torch.tensor([[2.0, 3.0], [-1.0, 6.0], [9.0, 9.0]])
    weight = torch.tensor([[1.0, 1.0], [-1.0, 0.0]])
    probabilities = torch.tensor([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    sums, counts = positive_contributions(embedding, probabilities, torch.tensor([2, 2, 0]), weight, range(2, 4))
    assert counts.tolist() == [2, 0]
    assert sums.tolist() == [[[0.75, 1.25], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]


def test_contributions_of_many_sites_are_those_of_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    embedding, weight = (torch.randn(*shape, generator=generator) for shape in ((20, 5), (3, 5)))
    probabilities = torch.rand(20, 3, generator=generator)
    labels = torch.arange(20) % 5
    expected = torch.zeros(2, 3, 5)
    for x in range(20):
        if labels[x] >= 3:
            expected[labels[x] - 3] += probabilities[x][:, None] * (embedding[x] * weight > 0)
    found, counts = positive_contributions(embedding, probabilities, labels, weight, range(3, 5))
    torch.testing.assert_close(found.float(), expected)
    assert counts.tolist() == [4, 4]


def test_a_share_of_one_and_no_change_give_the_row_itself() -> None:
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    rows = transformed_rows(weight, torch.ones(2, 4, 6), torch.eye(4)[[0, 3]])
    assert torch.equal(rows, weight[[0, 3]])


def test_gradient_of_rows() -> None:
    weight, transformation, shares = (cf.wave(shape, 0.3, 0.1).double() for shape in ((3, 4), (2, 3, 4), (2, 3)))
    inputs = [item.requires_grad_() for item in (transformation, shares)]
    assert torch.autograd.gradcheck(lambda a, q: transformed_rows(weight, a, q), inputs)


def test_mean_norm() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 1.0]])  # 5 and 1
    found = with_mean_norm(rows, torch.tensor([[0.0, 2.0], [8.0, 6.0]]))  # 2 and 10
    torch.testing.assert_close(found, rows * 2)
    biases = with_mean_norm(torch.tensor([[1.0], [-3.0]]), torch.tensor([[-5.0], [0.0], [1.0]]))
    torch.testing.assert_close(biases, torch.tensor([[1.0], [-3.0]]))
    assert with_mean_norm(torch.zeros(2, 2), rows).tolist() == [[0, 0], [0, 0]]
