"""Which images to keep: pure functions of candidates, size and seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from mmciss.datasets.exemplars import Exemplar


def shuffled(candidates: Iterable[Exemplar], seed: int) -> list[Exemplar]:
    """Returns the candidates in an order that depends on their paths and the seed alone."""
    result = sorted(candidates, key=lambda item: item.path)
    random.Random(seed).shuffle(result)
    return result


def select_random(candidates: Iterable[Exemplar], size: int, seed: int) -> list[Exemplar]:
    """Chooses ``size`` candidates at random, all if there are fewer."""
    return shuffled(candidates, seed)[:size]


def select_class_balanced(candidates: Iterable[Exemplar], size: int, seed: int) -> list[Exemplar]:
    """Lets the classes choose in turn, each one image that shows it, until the memory is full.

    So every class is shown by at least ``size // num_classes`` images where it has that many. The
    classes take turns in random order, as in SSUL (arXiv 2106.11562) and DKD (arXiv 2210.05941).
    What is left when no class finds a further image is filled at random.

    Args:
        candidates: Images with the classes that each is known to show; paths are unique.
        size: How many to choose; all if there are fewer.
        seed: Seed; the order of ``candidates`` does not matter.

    Examples:
        >>> images = [Exemplar('a', 0, (1,)), Exemplar('b', 0, (1,)), Exemplar('c', 0, (2,))]
        >>> sorted({item.classes for item in select_class_balanced(images, 2, seed=0)})
        [(1,), (2,)]
    """
    order = shuffled(candidates, seed)
    numbers = sorted({number for item in order for number in item.classes})
    random.Random(seed + 1).shuffle(numbers)
    # Popped from the end, hence reversed.
    queues = {number: [item for item in reversed(order) if number in item.classes] for number in numbers}
    chosen: dict[str, Exemplar] = {}
    while any(queues.values()) and len(chosen) < size:
        for number in numbers:
            queue = queues[number]
            while queue and queue[-1].path in chosen:
                queue.pop()
            if queue and len(chosen) < size:
                item = queue.pop()
                chosen[item.path] = item
    rest = [item for item in order if item.path not in chosen]
    return [*chosen.values(), *rest[: size - len(chosen)]]


SELECTIONS: dict[str, Callable[[Iterable[Exemplar], int, int], list[Exemplar]]] = {
    'class_balanced': select_class_balanced,
    'random': select_random,
}
"""What ``method.memory.selection`` may be."""
