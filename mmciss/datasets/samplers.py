"""Samplers: in which order images are drawn, and which random numbers each draw brings with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_dist_info
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from mmciss.datasets.seeding import mix
from mmciss.errors import ConfigError

if TYPE_CHECKING:
    from mmciss.datasets.pair_dataset import PairDataset
    from mmciss.datasets.replay_dataset import ReplayDataset

_PLACES, _IMAGES = 1, 2
"""Streams of random numbers: which places of a batch hold stored images, and which images these are."""

_PASS = 0x70617373
"""'pass': the stream of passes over the data, another one than that of training."""


class DrawnIndex(int):
    """An image index together with its place in the sampling stream.

    Data loaders, workers and data sets treat it as a plain ``int``. A data set that reads :attr:`draw` can make its
    augmentation a pure function of ``(seed, draw)``, whatever the number of workers.

    Args:
        index: Index into the data set.
        seed: Seed of the stream, the same on every rank.
        draw: Position in the stream, counted over all ranks, from 0.

    Examples:
        >>> drawn = DrawnIndex(7, seed=3, draw=120)
        >>> drawn + 1, drawn.seed, drawn.draw, drawn.at(2), drawn.at(2).draw
        (8, 3, 120, 2, 120)
    """

    seed: int
    draw: int

    def __new__(cls, index: int, seed: int, draw: int) -> DrawnIndex:
        """Makes the integer and adds the two numbers."""
        self = super().__new__(cls, index)
        self.seed, self.draw = seed, draw
        return self

    def __reduce__(self) -> tuple[type[DrawnIndex], tuple[int, int, int]]:
        """Pickles both numbers too, for workers."""
        return type(self), (int(self), self.seed, self.draw)

    def at(self, index: int) -> DrawnIndex:
        """Returns another index for the same draw; wrappers of data sets pass it on."""
        return type(self)(index, self.seed, self.draw)


@DATA_SAMPLERS.register_module()
class IncrementalInfiniteSampler(InfiniteSampler):
    """Yields :class:`DrawnIndex` forever: one permutation of the data set after the other.

    It differs from MMEngine's ``InfiniteSampler`` in three ways. The permutation of epoch ``e`` depends only on
    ``(seed, step, e)``, so a resumed run starts at its position at once, and every step has its own stream. Each index
    carries its position in the stream, which is the same for any number of ranks and workers. With ``batch_size``, an
    epoch ends where ``drop_last=True`` would end it: no image comes twice in an epoch or in a batch, and
    ``iterations = epochs * (len(dataset) // batch_size)`` are exactly that many epochs.

    Args:
        dataset: The data set; its ``step_index``, if it has one, selects the stream.
        shuffle: Whether to permute; otherwise every epoch is in order.
        seed: Seed of the run; None draws one that all ranks share.
        batch_size: Images per iteration over all ranks. With None, no image is left out and a batch may span two
            epochs. A data set smaller than one batch is never cut.

    Raises:
        ConfigError: If the data set is empty or ``batch_size`` is not positive.
    """

    def __init__(
        self, dataset: Sized, shuffle: bool = True, seed: int | None = None, batch_size: int | None = None
    ) -> None:
        if len(dataset) == 0:
            raise ConfigError('train_dataloader.dataset: no images to draw from.')
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f'train_dataloader.sampler.batch_size: must be at least 1, got {batch_size}.')
        self.step_index = int(getattr(dataset, 'step_index', 0))
        size = len(dataset)
        self.epoch_size = size - size % batch_size if batch_size and batch_size <= size else size
        super().__init__(dataset, shuffle=shuffle, seed=seed)

    def _epoch(self, epoch: int) -> list[int]:
        """Returns the indices of one epoch over all ranks, in order."""
        if not self.shuffle:
            return list(range(self.epoch_size))
        generator = torch.Generator()
        generator.manual_seed(mix(self.seed, self.step_index, epoch))
        return torch.randperm(self.size, generator=generator)[: self.epoch_size].tolist()

    def _stream(self, start: int) -> Iterator[DrawnIndex]:
        """Yields the common stream of all ranks from position ``start`` on."""
        seed = mix(self.seed, self.step_index)
        first, offset = divmod(start, self.epoch_size)
        for epoch in itertools.count(first):
            base = epoch * self.epoch_size
            indices = self._epoch(epoch)
            for position in range(offset, self.epoch_size):
                yield DrawnIndex(indices[position], seed, base + position)
            offset = 0

    def _indices_of_rank(self, skipped: int = 0) -> Iterator[DrawnIndex]:
        """Returns every ``world_size``-th index of the stream, after ``skipped`` of them."""
        start = self.rank + skipped * self.world_size
        # Not a generator, which would be closed for good once a half-used iterator of the sampler is dropped.
        return itertools.islice(self._stream(start), 0, None, self.world_size)

    def skip(self, num_samples: int) -> None:
        """Goes to the position after ``num_samples`` indices of this rank, from the very start.

        Raises:
            ValueError: If ``num_samples`` is negative.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must not be negative, got {num_samples}')
        self.indices = self._indices_of_rank(num_samples)


@DATA_SAMPLERS.register_module()
class ReplaySampler(IncrementalInfiniteSampler):
    """Replaces ``batch_size // 2`` random places of every batch by stored images.

    As in SSUL-M (Cha et al., NeurIPS 2021, arXiv 2106.11562). The replaced images are not drawn again in this epoch.
    Which places and which stored images are chosen depends on ``(seed, step, batch)`` alone: it is the same for any
    number of ranks, and after an interruption. Stored images come one permutation after the other.

    Args:
        dataset: The step's data with stored images.
        shuffle: Whether to permute the step's own images.
        seed: Seed of the run.
        batch_size: Images per iteration over all ranks.

    Raises:
        ConfigError: If ``batch_size`` is missing or leaves no place for stored images.
    """

    def __init__(
        self,
        dataset: ReplayDataset | PairDataset,
        shuffle: bool = True,
        seed: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        if batch_size is None or batch_size < 2:
            raise ConfigError(
                f"train_dataloader.batch_size: method.memory.mode='batch' needs at least 2 images per iteration, found "
                f'{batch_size}'
            )
        self.batch_size = batch_size
        self.num_current = dataset.num_current
        self.num_exemplars = dataset.num_exemplars
        super().__init__(dataset, shuffle=shuffle, seed=seed, batch_size=batch_size)

    def _permutation(self, size: int, *stream: int) -> list[int]:
        generator = torch.Generator()
        generator.manual_seed(mix(self.seed, self.step_index, *stream))
        return torch.randperm(size, generator=generator).tolist()

    def _replaced(self, batch: int) -> dict[int, int]:
        """Returns the places of a batch that hold stored images, and which."""
        if not self.num_exemplars:
            return {}
        count = self.batch_size // 2
        places = sorted(self._permutation(self.batch_size, _PLACES, batch)[:count])
        # Over all batches, the stored images are drawn one permutation after the other: the turn-th draw is entry
        # turn % num_exemplars of permutation turn // num_exemplars. A batch may span two permutations.
        passes: dict[int, list[int]] = {}
        found: dict[int, int] = {}
        for turn, place in enumerate(places, start=batch * count):
            number, position = divmod(turn, self.num_exemplars)
            if number not in passes:
                passes[number] = self._permutation(self.num_exemplars, _IMAGES, number)
            found[place] = passes[number][position]
        return found

    def _stream(self, start: int) -> Iterator[DrawnIndex]:
        """Yields the common stream of all ranks from position ``start`` on."""
        current, replaced = -1, {}
        for drawn in super()._stream(start):
            batch, place = divmod(drawn.draw, self.batch_size)
            if batch != current:
                current, replaced = batch, self._replaced(batch)
            yield drawn.at(self.num_current + replaced[place]) if place in replaced else drawn


class PassSampler(Sampler[int]):
    """Yields every image of a data set once, in order, split over the ranks without repetition.

    The indices carry their position, so random augmentation is the same whenever the pass is made, on any number of
    ranks.

    Args:
        dataset: The data set.
        seed: Seed of the augmentation.
    """

    def __init__(self, dataset: Sized, seed: int = 0) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.seed = mix(seed, _PASS)

    def __iter__(self) -> Iterator[DrawnIndex]:
        """Yields the indices of this rank."""
        return (DrawnIndex(index, self.seed, index) for index in range(self.rank, self.size, self.world_size))

    def __len__(self) -> int:
        """Returns the number of indices of this rank."""
        return len(range(self.rank, self.size, self.world_size))
