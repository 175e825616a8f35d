"""How the time of a function grows with what it is given: a slow or busy machine cannot fail it, a square does."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

STEP = 4
MOST = 2.5 * STEP  # four times as much takes four times as long, and sixteen times where it grows in the square
ENOUGH_S = 0.1  # who is done so soon may grow as they like
ROUNDS = 5  # the least of several is the work's own; a stall in all of them would have to hit the same half each time


def check_grows_in_line(
    work: Callable[[int], object], size: int, clock: Callable[[], float] = time.process_time
) -> None:
    """Fail if `work(n)` takes more than ten times the CPU time of `work(n / 4)`, up to `work(size)`."""
    for most in (size // STEP, size):  # a square is found before it takes minutes
        _check(work, most // STEP, most, clock)


def _check(work: Callable[[int], object], little: int, much: int, clock: Callable[[], float]) -> None:
    less = more = float("inf")
    for _ in range(ROUNDS):
        less = min(less, _seconds(work, little, clock))
        more = min(more, _seconds(work, much, clock))
        if more < max(ENOUGH_S, MOST * less):
            return
    pytest.fail(f"{STEP} times as much takes {more / less:.1f} times as long: {less:.3f} s, then {more:.3f} s")


def _seconds(work: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    gc.disable()  # it looks at all there is in the process, which is a test run's
    try:
        began = clock()
        work(size)
        return clock() - began
    finally:
        gc.enable()
