"""Images that are kept for testing where the user has none."""

from __future__ import annotations

import numpy as np

FEWEST = 5
MOST = 100


def hold_out(presence: np.ndarray, share: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Keeps a share of the images for testing, such that every class stays in training.

    Args:
        presence: Boolean ``(images, new classes)``.
        share: Share of the images, at most :data:`MOST` images; of fewer than :data:`FEWEST` images none is kept.
        seed: Seed; the same data and seed give the same images.

    Returns:
        Sorted positions to train on, sorted positions to test on.

    Examples:
        >>> train, test = hold_out(np.ones((10, 1), dtype=bool))
        >>> len(train), len(test)
        (8, 2)
    """
    count = len(presence)
    wanted = min(MOST, max(1, round(share * count))) if count >= FEWEST and share > 0 else 0
    left = presence.sum(0)
    kept: list[int] = []
    # RandomState's stream is frozen by NumPy, so that the same images are held out for ever.
    for image in np.random.RandomState(seed).permutation(count).tolist():
        if len(kept) == wanted:
            break
        remaining = left - presence[image]
        if (remaining >= 1).all():
            kept.append(image)
            left = remaining
    test = np.sort(np.array(kept, dtype=np.int64))
    return np.setdiff1d(np.arange(count), test), test
