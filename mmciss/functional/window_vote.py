"""A site decides whether it is foreground, the sites around it which class it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import channel_argmax


def window_vote(scores: Tensor, side: int) -> Tensor:
    r"""Gives a foreground site the class that most foreground sites of the window around it have.

    A classifier of single sites makes half a horse a cow. With ``v_c`` the share of the window's sites whose largest
    score is that of the foreground class c,

    .. math:: s'_c = \max_{d \ge 1} s_d + v_c - \max_{d \ge 1} v_d .

    The background's score and the largest of the others stay as they are, so no site changes between the two. Where the
    window has no foreground site, scores are kept.

    Args:
        scores: Scores of all classes, the background's first, shape ``(N, C, h, w)`` with C > 1.
        side: Side of the window in sites, an odd number; what lies outside the image has no vote.

    Returns:
        The new scores, ``(N, C, h, w)``.
    """
    best = channel_argmax(scores)
    votes = F.one_hot(best, scores.shape[1])[..., 1:].permute(0, 3, 1, 2).to(scores)
    shares = F.avg_pool2d(votes, side, stride=1, padding=side // 2, count_include_pad=False)
    most = shares.amax(1, keepdim=True)
    foreground = scores[:, 1:]
    voted = foreground.amax(1, keepdim=True) + shares - most
    return torch.cat([scores[:, :1], voted.where(most > 0, foreground)], 1)
