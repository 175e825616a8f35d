"""Work that many ask for is done once."""

from __future__ import annotations

import asyncio

import pytest

from stoppress.single_flight import SingleFlight
from support import until


class Work:
    """What is done, how often, and until when."""

    def __init__(self) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.count += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return self.count


async def test_all_who_ask_meanwhile_get_the_same_and_later_ones_a_new_one() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    several = [asyncio.create_task(flights.join("a", work)) for _ in range(5)]
    await until(lambda: "a" in flights)
    other = flights.start("b", work)
    work.go.set()
    assert await asyncio.gather(*several) == [await other] * 5 == [2] * 5  # two keys, two flights
    assert "a" not in flights
    assert await flights.join("a", work) == 3


async def test_who_gives_up_does_not_take_it_from_the_others() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    first, second = [asyncio.create_task(flights.join("a", work)) for _ in range(2)]
    await until(lambda: work.count == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go.set()
    assert await second == 1


async def test_an_error_reaches_all_who_wait_and_whoever_looks_after_it() -> None:
    seen: list[BaseException] = []
    flights: SingleFlight[str, int] = SingleFlight(seen.append)
    work = Work()
    work.error = KeyError("lost")
    several = [asyncio.create_task(flights.join("a", work)) for _ in range(2)]
    await until(lambda: work.count == 1)
    work.go.set()
    assert await asyncio.gather(*several, return_exceptions=True) == [work.error] * 2
    assert seen == [work.error]
    assert "a" not in flights


async def test_who_asks_at_the_moment_it_ends_has_it_done_again() -> None:
    """Nobody joins what is over: its answer may be out of date by now."""
    flights: SingleFlight[str, int] = SingleFlight()
    later: list[asyncio.Task[int]] = []

    async def again() -> int:
        return 2

    async def work() -> int:
        asyncio.get_running_loop().call_soon(lambda: later.append(flights.start("a", again)))
        return 1

    assert await flights.start("a", work) == 1
    await until(lambda: bool(later))
    assert await later[0] == 2


async def test_what_ends_before_it_began_is_forgotten_too() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    work = Work()
    flights.start("a", work).cancel()
    flights.start("b", work)
    await flights.aclose()
    assert "a" not in flights
    assert "b" not in flights
    assert work.count == 0
