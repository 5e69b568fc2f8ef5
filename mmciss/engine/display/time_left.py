"""How long a protocol still takes."""

from __future__ import annotations

from collections.abc import Sequence

FORWARD_SHARE = 1 / 3
"""The share of a training iteration that its forward pass takes, until an evaluation has been measured."""


class TimeLeft:
    """Estimates the time left over all steps, evaluations included.

    An iteration is expected to take as long as those of the running step so far; what happens between two steps, such
    as the evaluation, as long per test image as after the steps before.

    Args:
        iterations: Iterations of every step.
        test_images: Images that every step is tested on.
        batch_size: Images per iteration.

    Examples:
        >>> left = TimeLeft(iterations=[10, 10], test_images=[30, 30], batch_size=10)
        >>> left.begin(0, now=0.0)
        >>> left.iterated(5, now=10.0)  # two seconds an iteration, so a test takes two seconds, too
        >>> left.seconds(now=10.0)
        34.0
    """

    def __init__(self, iterations: Sequence[int], test_images: Sequence[int], batch_size: int) -> None:
        self.iterations, self.test_images, self.batch_size = list(iterations), list(test_images), batch_size
        self.step = self.first = self.done = 0
        self._begun = self._last = 0.0
        self._iteration: float | None = None
        self._ended: float | None = None
        self._pauses: list[tuple[float, int]] = []

    def begin(self, step: int, now: float, done: int = 0) -> None:
        """Begins the iterations of a step, of which a resumed one has ``done`` behind it."""
        if self._ended is not None:
            self._pauses.append((now - self._ended, self.test_images[self.step]))
        self.step, self.first, self.done = step, done, done
        self._begun = self._last = now
        self._ended = None

    def iterated(self, done: int, now: float) -> None:
        """Takes note of the iterations that are done in the running step."""
        self.done, self._last = done, now
        if done > self.first:
            self._iteration = (now - self._begun) / (done - self.first)
        if done >= self.iterations[self.step]:
            self._ended = now

    def seconds(self, now: float) -> float | None:
        """Returns the seconds left, or None before the first iteration."""
        if self._iteration is None:
            return None
        later = range(self.step + 1, len(self.iterations))
        iterations = self.iterations[self.step] - self.done + sum(self.iterations[index] for index in later)
        images = sum(self.test_images[index] for index in (self.step, *later))
        since = now - self._last
        return max(0.0, iterations * self._iteration + images * self._per_image() - since)

    def _per_image(self) -> float:
        if self._pauses:
            return sum(seconds for seconds, _ in self._pauses) / max(1, sum(images for _, images in self._pauses))
        assert self._iteration is not None, 'called after the first iteration'
        return FORWARD_SHARE * self._iteration / self.batch_size
