"""An endless stream of images that can be entered at any position."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized

import torch
from mmengine.dataset import InfiniteSampler
from mmseg.registry import DATA_SAMPLERS

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.seeding import mix
from mmciss.errors import ConfigError


@DATA_SAMPLERS.register_module()
class IncrementalInfiniteSampler(InfiniteSampler):
    """Yields :class:`DrawnIndex` forever: one permutation of the data set after the other.

    Three things differ from MMEngine's ``InfiniteSampler``. The permutation of epoch ``e`` depends
    only on ``(seed, step, e)``, so that a resumed run jumps to its position at once and every step
    has its own stream. Each index carries its position in the stream, the same for any number of
    ranks and workers. And with ``batch_size`` an epoch ends where ``drop_last=True`` would end it:
    no image comes twice within an epoch, none twice within a batch, and ``iterations = epochs *
    (len(dataset) // batch_size)`` are exactly that many epochs.

    For evaluation MMEngine's ``DefaultSampler(shuffle=False, round_up=False)`` is enough: it splits
    the images over the ranks with none twice.

    Args:
        dataset: The data set; a ``step_index`` attribute, if it has one, selects the stream.
        shuffle: Whether to permute; without, every epoch is in order.
        seed: Seed of the run; a common random one if None.
        batch_size: Images per iteration over all ranks. None keeps the remainder of every epoch,
            so that a batch may join two epochs. A data set smaller than one batch is never cut.

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
        # Not a generator: dropping a half-used iterator of the sampler would close that for good.
        return itertools.islice(self._stream(start), 0, None, self.world_size)

    def skip(self, num_samples: int) -> None:
        """Goes to the position after ``num_samples`` indices of this rank, from the very start.

        Raises:
            ValueError: If ``num_samples`` is negative.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must not be negative, got {num_samples}')
        self.indices = self._indices_of_rank(num_samples)
