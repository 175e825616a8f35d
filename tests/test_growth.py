"""The check of growth itself: it must tell a square from a line, or it holds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from growth import check_grows_in_line


class Machine:
    """One whose work takes the seconds that `cost` says, times the next of `stalls`."""

    def __init__(self, cost: Callable[[int], float], stalls: Iterable[float] = ()) -> None:
        self.now = 0.0
        self._cost = cost
        self._stalls = iter(stalls)

    def work(self, size: int) -> None:
        self.now += self._cost(size) * next(self._stalls, 1)

    def clock(self) -> float:
        return self.now


def test_a_line_passes_and_so_does_a_busy_machine() -> None:
    for stalls in ([], [1, 9, 1, 9, 1, 9, 1, 9], [9, 1, 1, 9]):
        machine = Machine(lambda size: size / 100_000 + 0.01, stalls)
        check_grows_in_line(machine.work, 400_000, machine.clock)


def test_a_square_does_not() -> None:
    machine = Machine(lambda size: (size / 100_000) ** 2 + size / 100_000)
    with pytest.raises(pytest.fail.Exception, match=r"4 times as much takes 10\.. times as long"):
        check_grows_in_line(machine.work, 1_600_000, machine.clock)
    assert machine.now < 3_000


def test_what_takes_no_time_may_grow_as_it_likes() -> None:
    machine = Machine(lambda size: (size / 1_000_000) ** 2)
    check_grows_in_line(machine.work, 300_000, machine.clock)
