"""Tests of the vote of neighbouring sites."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmciss.functional import largest_window, vote_errors, window_vote
from mmciss.functional.window_vote import WINDOWS

COW, HORSE = 1, 2


def test_the_foreground_sites_of_the_window_decide_which_class() -> None:
    found = torch.tensor([[0, 1, 1, 2, 0, 0, 0, 2, 0, 0, 1]])
    scores = F.one_hot(found, 3).permute(2, 0, 1)[None] * 0.4 + 0.1
    voted = window_vote(scores, 5)
    # The lonely horse after two cows is a cow; the third of its window is background, and stays so.
    assert voted.argmax(1).tolist() == [[[0, 1, 1, 1, 0, 0, 0, 2, 0, 0, 1]]]
    torch.testing.assert_close(voted[0, :, 0, 3], torch.tensor([0.1, 0.5, 0.5 + 1.1 / 5 - 2 / 5]))
    assert torch.equal(voted[:, 0], scores[:, 0])


def test_what_lies_outside_the_image_has_no_vote() -> None:
    """And where votes are even, a site keeps its class."""
    scores = torch.tensor([[0.0, 0.3, 0.4], [0.0, 0.3, 0.2], [0.0, 0.3, 0.2]]).T[None, :, None]  # horse, cow, cow
    torch.testing.assert_close(window_vote(scores, 3)[0, :, 0, 0], torch.tensor([0.0, 0.4 - 0.5 / 9, 0.4]))
    torch.testing.assert_close(window_vote(scores, 5)[0, HORSE, 0, 0], torch.tensor(0.4 + 1 / 3 + 0.5 / 25 - 2 / 3))


def test_a_window_without_foreground_keeps_its_scores() -> None:
    scores = torch.rand(2, 4, 5, 6)
    scores[:, 0] += 1
    assert torch.equal(window_vote(scores, 9), scores)


@given(st.integers(1, 3), st.integers(2, 5), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 9]))
@settings(max_examples=40, deadline=None)
def test_no_site_changes_between_foreground_and_background(n: int, classes: int, h: int, w: int, side: int) -> None:
    scores = torch.rand(n, classes, h, w, generator=torch.Generator().manual_seed(7 * h + w))
    voted = window_vote(scores, side)
    torch.testing.assert_close(voted[:, 1:].amax(1), scores[:, 1:].amax(1))
    assert torch.equal(voted.argmax(1) > 0, scores.argmax(1) > 0)
    if side == 1:
        assert torch.equal(voted.argmax(1), scores.argmax(1))


def test_a_large_window_in_half_precision() -> None:
    """On a checkerboard 2113 votes of 4225 are for a site's own class, a difference that bfloat16 does not have."""
    row, column = torch.arange(80)[:, None], torch.arange(80)
    found = torch.where((row + column) % 2 == 0, COW, HORSE)
    scores = F.one_hot(found, 3).permute(2, 0, 1)[None].to(torch.bfloat16)
    assert torch.equal(window_vote(scores, 65).argmax(1)[:, 33:47, 33:47], found[None, 33:47, 33:47])


def test_errors_of_the_vote_of_labels() -> None:
    """The cow between horses would become one in the window of three; void and background have no vote."""
    labels = torch.tensor([[[HORSE, COW, HORSE, 0, 255, COW, COW, 0, 0, HORSE]]])
    found = vote_errors(labels, 3, (1, 3, 9))
    assert found.tolist() == [[0, 6], [1, 6], [2, 6]]
    assert vote_errors(labels.new_zeros(0, 4, 4), 3).tolist() == [[0, 0]] * len(WINDOWS)


@pytest.mark.parametrize(
    ('wrong', 'expected'), [((0, 0, 0, 0), 9), ((9, 0, 0, 0), 9), ((10, 9, 0, 0), 7), ((99, 50, 12, 10), 0)]
)
def test_the_largest_window_that_labels_allow(wrong: tuple[int, ...], expected: int) -> None:
    errors = torch.tensor([[float(item), 1000.0] for item in wrong])
    assert largest_window(errors, sides=(9, 7, 5, 3)) == expected
    assert largest_window(torch.zeros(len(WINDOWS), 2)) == 0, 'without a label nothing is known'
