"""An index that knows when it was drawn."""

from __future__ import annotations


class DrawnIndex(int):
    """An image index together with its place in the sampling stream.

    Data loaders, workers and data sets treat it as a plain ``int``. A data set that looks at
    :attr:`draw` can make its augmentation a pure function of ``(seed, draw)``, whatever the number
    of workers.

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
        """Builds the integer and hangs the two numbers on it."""
        self = super().__new__(cls, index)
        self.seed, self.draw = seed, draw
        return self

    def __reduce__(self) -> tuple[type[DrawnIndex], tuple[int, int, int]]:
        """Pickles with both numbers, so that workers receive them."""
        return type(self), (int(self), self.seed, self.draw)

    def at(self, index: int) -> DrawnIndex:
        """Returns another index for the same draw; wrappers of data sets pass it on."""
        return type(self)(index, self.seed, self.draw)
