"""Every image once."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.seeding import mix


class PassSampler(Sampler):
    """Yields every image of a data set once, in order, split over the ranks without repetition.

    The indices carry their position, so that random augmentation comes out the same whenever the pass is made and on
    any number of ranks.

    Args:
        dataset: The data set.
        seed: Seed of the augmentation.
    """

    def __init__(self, dataset: Sized, seed: int = 0) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.seed = mix(seed, 0x70617373)  # 'pass': a stream of its own, not that of the training

    def __iter__(self) -> Iterator[DrawnIndex]:
        """Yields the indices of this rank."""
        return (DrawnIndex(index, self.seed, index) for index in range(self.rank, self.size, self.world_size))

    def __len__(self) -> int:
        """Returns the number of indices of this rank."""
        return len(range(self.rank, self.size, self.world_size))
