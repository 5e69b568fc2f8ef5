"""Rows on a fixed random layer, in the place of a head's classifier."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.model import normal_init
from torch import Tensor, nn

from mmciss.functional import random_features, random_projection, window_vote
from mmciss.models.classifiers.growable import Growable

if TYPE_CHECKING:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead


class ExpandedRows(Growable):
    """A fixed random layer, ReLU, and a row per class; no part of it is trained.

    Args:
        in_channels: Channels D of the embedding.
        sizes: Channels added by each step.
        width: Number E of random features.
        seed: Seed of the random layer.
        trained: Whether an ordinary classifier on the embedding is trained, and answers, until :meth:`set_rows`.
        upsample: How many times finer than the embedding the scores are.
        beside: Index and number of channels of each map, among those that the head gets, which joins the embedding; see
            :func:`put_rows`. A pair stands for itself.
        image_pool: Whether the embedding's mean over the image, at training over the crop, joins it at every site.
        vote_window: Side of the window of sites that vote on the class of a foreground site, see
            :func:`mmciss.functional.window_vote`; 0 if none do. None: the side is among the weights, for labels choose
            it, and :meth:`set_window` takes it.

    Examples:
        >>> layer = ExpandedRows(8, (16, 1), width=32)
        >>> layer(torch.zeros(2, 8, 4, 4)).shape, layer.weight.shape
        (torch.Size([2, 17, 4, 4]), torch.Size([17, 32, 1, 1]))
    """

    linear = False
    projection: Tensor
    window: Tensor | None

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        width: int,
        seed: int = 0,
        trained: bool = False,
        upsample: int = 1,
        beside: Sequence[Sequence[int]] | Sequence[int] | None = None,
        image_pool: bool = False,
        vote_window: int | None = 0,
    ) -> None:
        def new_layer(rows: int) -> nn.Module:
            layer = nn.Conv2d(width, rows, 1, bias=False)
            nn.init.zeros_(layer.weight)
            return layer.requires_grad_(False)

        super().__init__(sizes, new_layer)
        self.in_channels, self.upsample, self.beside = in_channels, upsample, pairs_of(beside)
        self.image_pool, self.own_window = image_pool, vote_window
        self.register_buffer('window', torch.zeros((), dtype=torch.long) if vote_window is None else None)
        self.maps: list[Tensor] = []
        total = (1 + image_pool) * in_channels + sum(channels for _, channels in self.beside)
        self.register_buffer('projection', random_projection(total, width, seed)[..., None, None].to(self.weight))
        self.trained = nn.Conv2d(in_channels, sum(self.sizes), 1) if trained else None
        if self.trained is not None:
            normal_init(self.trained, std=0.01)
        self.is_solved = not trained

    @property
    def vote_window(self) -> int:
        """Side of the window that votes, 0 if none does."""
        return int(self.window) if self.window is not None else self.own_window or 0

    def set_window(self, side: int) -> None:
        """Takes the side that labels chose."""
        assert self.window is not None, 'the config says which side it is'
        self.window.fill_(side)

    def expand(self, embedding: Tensor) -> Tensor:
        """Returns the random features of the latest batch, ``(N, E, upsample * h, upsample * w)``."""
        assert len(self.maps) == len(self.beside), 'put_rows lets the head hand them on'
        pooled = [embedding.to(self.projection).mean((2, 3), keepdim=True)] if self.image_pool else []
        return random_features([embedding, *self.maps, *pooled], self.projection.flatten(1), self.upsample)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits of an embedding ``(N, D, h, w)``, ``(N, C, upsample * h, upsample * w)`` once solved."""
        if self.trained is not None and not self.is_solved:
            return self.trained(x)
        scores = F.conv2d(self.expand(x), self.weight)
        side = self.vote_window
        if not side:
            return scores
        # Rows that are not solved for yet are zero and come last; a class without a site has a row of zeros, too.
        solved = self.weight.flatten(1).any(1).nonzero()
        known = int(solved[-1]) + 1 if len(solved) else 0
        if known < 3:  # there are no two foreground classes
            return scores
        return torch.cat([window_vote(scores[:, :known], side), scores[:, known:]], 1)

    @torch.no_grad()
    def set_rows(self, rows: Tensor) -> None:
        """Takes rows ``(C, E)`` for all classes; an ordinary classifier no longer answers."""
        for group, part in zip(self.groups, rows.split([len(group.weight) for group in self.groups]), strict=True):
            group.weight.copy_(part[..., None, None])
        self.is_solved = True

    def exported(self) -> dict[str, Tensor]:
        """Returns the random layer and the rows by name; the classifier of the base step is left out."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items() if not name.startswith('trained.')}

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Takes the classifier of a plain model, which answers until rows are solved for.

        The rows of a finished base step, which has left that classifier out, answer at once. A window that the config
        gives counts for more than that of the weights, which may be of a model that had none.
        """
        if self.window is None:
            state.pop(f'{prefix}window', None)
        else:
            state.setdefault(f'{prefix}window', self.window)
        if self._is_ordinary(state, prefix):
            self._take_ordinary(state, prefix)
        elif f'{prefix}steps.0.weight' in state and f'{prefix}trained.weight' not in state:
            self.is_solved = True
            own = {f'{prefix}{name}': tensor for name, tensor in self.state_dict().items() if 'trained.' in name}
            state.update(own)
        else:
            super().adapt_state(state, prefix, errors)

    def split_rows(self, state: dict[str, Any], prefix: str) -> int:
        """Does the same where the state has rows of old classes only."""
        if self._is_ordinary(state, prefix):
            return self._take_ordinary(state, prefix)
        return super().split_rows(state, prefix)

    def _is_ordinary(self, state: dict[str, Any], prefix: str) -> bool:
        rows = state.get(f'{prefix}weight')
        if rows is None or f'{prefix}projection' in state or rows.shape[1:] != (self.in_channels, 1, 1):
            return False
        return len(rows) <= self.out_channels if self.trained is None else len(rows) == len(self.trained.weight)

    def _take_ordinary(self, state: dict[str, Any], prefix: str) -> int:
        if self.trained is None:  # after the base step, where a finished model stands in for the step before
            rows, bias = len(state[f'{prefix}weight']), f'{prefix}bias' in state
            self.trained = nn.Conv2d(self.in_channels, rows, 1, bias=bias).to(self.projection).requires_grad_(False)
        self.is_solved = False
        for name, tensor in self.state_dict().items():
            plain = name.removeprefix('trained.')
            state[f'{prefix}{name}'] = state.pop(f'{prefix}{plain}', tensor) if plain != name else tensor
        return len(self.sizes)


def put_rows(head: BaseDecodeHead, rows: ExpandedRows) -> None:
    """Makes rows the classifier of a head, which hands on the maps that they see beside the embedding, if any."""
    head.conv_seg = rows
    if rows.beside:
        # Heads call their own forward, past any hook.
        head.forward = partial(_with_maps, head)


def maps_of(inputs: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    """Returns the maps that a head gets as a list, also where there is one."""
    return [inputs] if isinstance(inputs, Tensor) else inputs


def pairs_of(beside: Sequence[Sequence[int]] | Sequence[int] | None) -> tuple[tuple[int, int], ...]:
    """Returns indices and channels of maps as pairs; models of an earlier form have one pair.

    Examples:
        >>> pairs_of((-2, 96)), pairs_of([[-2, 96], [-1, 320]]), pairs_of(None)
        (((-2, 96),), ((-2, 96), (-1, 320)), ())
    """
    many = [beside] if beside and isinstance(beside[0], int) else beside or ()
    return tuple((index, channels) for index, channels in many)  # type: ignore[misc]


def _with_maps(head: BaseDecodeHead, inputs: Tensor | Sequence[Tensor], *args: Any) -> Any:
    rows = head.conv_seg
    maps = maps_of(inputs)
    rows.maps = [maps[index].detach() for index, _ in rows.beside]
    return type(head).forward(head, inputs, *args)
