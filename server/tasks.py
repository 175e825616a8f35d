"""Tasks: the one supervisor of work that has no end.

A task that dies of an error nobody expected takes its work with it for good, and nobody notices: so every endless task
of this program is run by `keep`, which starts it again whatever it dies of. It never decides what an error means.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

log = logging.getLogger(__name__)

DELAYS_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
END_S = 0.5  # before a task is cancelled once more
STEADY_S = 60.0  # work that went on for so long makes the next failure the first of a series


class Backoff:
    """Growing pauses between attempts, with jitter: those who lost the same server do not come back as one.

    `failures`: how many there were since the last `reset`.
    """

    def __init__(self, delays_s: tuple[float, ...] = DELAYS_S) -> None:
        self.failures = 0
        self._delays_s = delays_s

    def reset(self) -> None:
        self.failures = 0

    async def pause(self, agreed_s: float = 0.0) -> None:
        """Wait after one more failure; exactly `agreed_s` where the other side said how long."""
        delay_s = self._delays_s[min(self.failures, len(self._delays_s) - 1)]
        self.failures += 1
        await asyncio.sleep(agreed_s or delay_s * random.uniform(0.5, 1))


async def endless(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    delays_s: tuple[float, ...] = DELAYS_S,
    steady_s: float = STEADY_S,
    expected: type[Exception] | tuple[()] = (),
    failed: Callable[[Exception, int], Awaitable[None]] | None = None,
) -> None:
    """Do `work` until cancelled; when it fails or ends, do it again after a pause that grows (`delays_s`).

    Of a series of failures the first is logged, with its traceback, unless it was `expected`: then others say it.
    `failed` is told of each instead, with the number of failures before it in the series, and says what is to be said.
    """
    loop = asyncio.get_running_loop()
    backoff = Backoff(delays_s)
    is_said = False
    while True:
        began = loop.time()
        try:
            await work()
        except Exception as error:
            if loop.time() - began > steady_s:
                backoff.reset()
                is_said = False
            if failed:
                await failed(error, backoff.failures)
            elif not is_said and not isinstance(error, expected):
                log.exception("%s failed; it is tried again until it works", name)
                is_said = True
        await backoff.pause()


def keep(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    delays_s: tuple[float, ...] = DELAYS_S,
    steady_s: float = STEADY_S,
    expected: type[Exception] | tuple[()] = (),
    failed: Callable[[Exception, int], Awaitable[None]] | None = None,
) -> asyncio.Task[None]:
    """A task that does `work` until it is cancelled; see `endless`."""
    work_on = endless(name, work, delays_s=delays_s, steady_s=steady_s, expected=expected, failed=failed)
    return asyncio.create_task(work_on, name=name)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until they are done: Python 3.11's `wait_for`, which redis-py sends through, may lose a cancellation
    that comes with its answer (CPython gh-86296)."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=END_S)


class Ticks:
    """How long something has not happened, in seconds that this process really ran.

    By counting its own ticks: a machine that was suspended, or a process that was stopped, has not waited.
    """

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._count = 0

    @property
    def seconds(self) -> float:
        return self._count * self._tick_s

    def reset(self) -> None:
        """It happened now."""
        self._count = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            self._count += 1
