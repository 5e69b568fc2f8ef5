"""How long a protocol still takes."""

from __future__ import annotations

from mmciss.engine.display import TimeLeft


def test_nothing_is_known_before_the_first_iteration() -> None:
    left = TimeLeft([10, 10], [30, 30], batch_size=10)
    left.begin(0, now=0.0)
    assert left.seconds(0.0) is None


def test_tests_count_a_third_of_an_iteration_until_one_was_measured() -> None:
    left = TimeLeft([10, 10], [30, 60], batch_size=10)
    left.begin(0, now=100.0)
    left.iterated(4, now=108.0)  # 2 s each; a test of 30 images takes 3 batches of a third of that
    assert left.seconds(108.0) == 16 * 2 + (3 + 6) * 2 / 3
    assert left.seconds(109.0) == 16 * 2 + (3 + 6) * 2 / 3 - 1


def test_the_pause_between_two_steps_is_measured() -> None:
    left = TimeLeft([10, 10, 10], [30, 30, 60], batch_size=10)
    left.begin(0, now=0.0)
    left.iterated(10, now=10.0)
    left.begin(1, now=25.0)  # the test of 30 images took 15 s
    left.iterated(5, now=30.0)
    assert left.seconds(30.0) == 5 + 15 + 10 + 30


def test_a_resumed_step_counts_only_its_own_iterations() -> None:
    left = TimeLeft([100], [0], batch_size=1)
    left.begin(0, now=0.0, done=90)
    left.iterated(92, now=6.0)
    assert left.seconds(6.0) == 8 * 3


def test_time_never_runs_below_zero() -> None:
    left = TimeLeft([1], [1], batch_size=1)
    left.begin(0, now=0.0)
    left.iterated(1, now=1.0)
    assert left.seconds(100.0) == 0
