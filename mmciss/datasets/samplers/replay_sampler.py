"""A stream in which half of every batch are stored images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from mmseg.registry import DATA_SAMPLERS

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.samplers.incremental_infinite_sampler import IncrementalInfiniteSampler
from mmciss.datasets.seeding import mix
from mmciss.errors import ConfigError

if TYPE_CHECKING:
    from mmciss.datasets.replay_dataset import ReplayDataset

_PLACES, _IMAGES = 1, 2  # streams of their own


@DATA_SAMPLERS.register_module()
class ReplaySampler(IncrementalInfiniteSampler):
    """Replaces ``batch_size // 2`` random places of every batch by stored images.

    SSUL-M (Cha et al., NeurIPS 2021, arXiv 2106.11562). The images that stood there are not drawn
    in this epoch. Which places and which stored images depends on ``(seed, step, batch)`` alone: the
    same for any number of ranks, interrupted or not. Stored images come one permutation after the
    other.

    Args:
        dataset: The step's data with stored images.
        shuffle: Whether to permute the step's own images.
        seed: Seed of the run.
        batch_size: Images per iteration over all ranks.

    Raises:
        ConfigError: If ``batch_size`` is missing or leaves no place for stored images.
    """

    def __init__(
        self, dataset: ReplayDataset, shuffle: bool = True, seed: int | None = None, batch_size: int | None = None
    ) -> None:
        if batch_size is None or batch_size < 2:
            raise ConfigError(
                f"train_dataloader.batch_size: method.memory.mode='batch' needs at "
                f'least 2 images per iteration, found {batch_size}'
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
