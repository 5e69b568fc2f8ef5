"""A site decides whether it is foreground, the sites around it which class it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import channel_argmax

WINDOWS = (9, 7, 5, 3)
"""Sides of windows, in sites, from which labels choose."""


def window_vote(scores: Tensor, side: int) -> Tensor:
    r"""Gives a foreground site the class that most foreground sites of the window around it have.

    A classifier of single sites makes half a horse a cow. With ``v_c`` the share of the window's sites whose largest
    score is that of the foreground class c,

    .. math:: s'_c = \max_{d \ge 1} s_d + v_c - \max_{d \ge 1} v_d .

    The background's score and the largest of the others stay as they are, so no site changes between the two. Where the
    window has no foreground site, scores are kept. A site's own vote counts one and a half, so where votes are even it
    keeps its class.

    Args:
        scores: Scores of all classes, the background's first, shape ``(N, C, h, w)`` with C > 1.
        side: Side of the window in sites, an odd number; what lies outside the image has no vote.

    Returns:
        The new scores, ``(N, C, h, w)``, of single precision at least.
    """
    best = channel_argmax(scores)
    exact = torch.promote_types(scores.dtype, torch.float32)  # half of one vote among many counts
    votes = own = F.one_hot(best, scores.shape[1])[..., 1:].permute(0, 3, 1, 2).to(exact)
    for kernel, padding in (((side, 1), (side // 2, 0)), ((1, side), (0, side // 2))):  # much less work than a square
        votes = F.avg_pool2d(votes, kernel, stride=1, padding=padding, count_include_pad=False)
    shares = votes + own * (0.5 / side**2)
    most = shares.amax(1, keepdim=True)
    foreground = scores[:, 1:]
    voted = foreground.amax(1, keepdim=True) + shares - most
    return torch.cat([scores[:, :1], voted.where(most > 0, foreground)], 1)


def vote_errors(labels: Tensor, num_classes: int, sides: Sequence[int] = WINDOWS) -> Tensor:
    """Counts the foreground sites to which the vote of the true labels gives a wrong class, for every window.

    Where different classes lie close together, as small objects do, even perfect scores would lose by a vote.

    Args:
        labels: Classes of the sites, 0 for the background, shape ``(N, h, w)``; what is no class, such as 255, has no
            vote.
        num_classes: Number of classes, the background counted.
        sides: Sides of the windows, see :func:`window_vote`.

    Returns:
        Wrong sites and all foreground sites, shape ``(len(sides), 2)``, float64.
    """
    counts = torch.zeros(len(sides), 2, dtype=torch.float64, device=labels.device)
    for item in labels:  # one by one, since an image shows few of the classes
        foreground = (item > 0) & (item < num_classes)
        classes, places = item[foreground].unique(return_inverse=True)
        known = torch.zeros_like(item, dtype=torch.long).masked_scatter(foreground, places + 1)
        scores = F.one_hot(known[None], len(classes) + 1).permute(0, 3, 1, 2).float()
        for index, side in enumerate(sides if len(classes) > 1 else ()):
            voted = channel_argmax(window_vote(scores, side))[0]
            counts[index, 0] += ((voted != known) & foreground).sum()
        counts[:, 1] += foreground.sum()
    return counts


def largest_window(errors: Tensor, most: float = 0.01, sides: Sequence[int] = WINDOWS) -> int:
    """Returns the largest window whose share of wrong sites is below ``most``, or 0.

    Args:
        errors: From :func:`vote_errors`, summed over images.
        most: The share from which on a window is not taken.
        sides: Sides of the windows.

    Examples:
        >>> largest_window(torch.tensor([[30., 1000.], [8., 1000.], [5., 1000.]]), sides=(7, 5, 3))
        5
    """
    return max(
        (side for side, (wrong, seen) in zip(sides, errors.tolist(), strict=True) if wrong < most * seen), default=0
    )
