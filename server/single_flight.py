"""Single flight: work that many ask for at once is done once, and each of them gets what came of it.

Owns the work under way, by key. Never keeps an answer: whoever asks after the end has the work done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from .tasks import end

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """`failed` hears of every error, for it may be that nobody waits for the work any more."""

    def __init__(self, failed: Callable[[BaseException], None] = lambda _: None) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}
        self._failed = failed

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    def start(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """The work under way for `key`, begun now if there is none. Whoever awaits the task itself, and gives up, ends
        it for all: see `join`.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._do(key, work))
            task.add_done_callback(lambda done: self._end(key, done))
        return task

    async def join(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What comes of it. Whoever gives up waiting does not take it from the others."""
        return await asyncio.shield(self.start(key, work))

    async def aclose(self) -> None:
        """End all of it."""
        await end(self._tasks.values())

    async def _do(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await work()
        finally:
            del self._tasks[key]  # in the same step as its end: nobody joins what is over

    def _end(self, key: K, task: asyncio.Task[T]) -> None:
        if self._tasks.get(key) is task:  # cancelled before it began
            del self._tasks[key]
        if not task.cancelled() and (error := task.exception()):
            self._failed(error)
