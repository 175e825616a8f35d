"""How the time of a function grows with what it is given: a slow or busy machine cannot fail it, a square does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

STEP = 4
MOST = 2 * STEP  # four times as much takes four times as long, and sixteen times where it grows in the square
ENOUGH_S = 0.1  # who is done so soon may grow as they like
ROUNDS = 5  # the least of several is the work's own; a stall in all of them would have to hit the same half each time


def check_grows_in_line(work: Callable[[int], object], size: int) -> None:
    """Fail if `work(n)` takes more than eight times the CPU time of `work(n / 4)`, up to `work(size)`."""
    for most in (size // STEP, size):  # a square is found before it takes minutes
        _check(work, most // STEP, most)


def _check(work: Callable[[int], object], little: int, much: int) -> None:
    less = more = float("inf")
    for _ in range(ROUNDS):
        less = min(less, _cpu_s(work, little))
        more = min(more, _cpu_s(work, much))
        if more < max(ENOUGH_S, MOST * less):
            return
    pytest.fail(f"{STEP} times as much takes {more / less:.1f} times as long: {less:.3f} s, then {more:.3f} s")


def _cpu_s(work: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    work(size)
    return time.process_time() - began
