"""Parts of a store that a test has a hand in; everything else of them is real.

store = dataclasses.replace(store, channels=(ear := Ear(store.channels)))
ear.look = lambda slug, message: False       # from now on nothing is heard
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from stoppress.store.channels import Channels, Hearing
from stoppress.store.log import Log
from stoppress.store.reads import Reads

T = TypeVar("T")


class Ear(Channels):
    """The channels; each message goes past `look` (channel, message), which keeps it from the hearer by False, or
    stumbles. `hearings`: those there were, the newest last.
    """

    def __init__(self, real: Channels) -> None:
        self.__dict__.update(real.__dict__)
        self.hearings: list[Hearing] = []
        self.look: Callable[[str, bytes], bool] = lambda _channel, _message: True

    @contextlib.asynccontextmanager
    async def hear(self, channel: str, **how: Any) -> AsyncIterator[Hearing]:
        async with super().hear(channel, **how) as hearing:
            self.hearings.append(overheard := _Overheard(hearing, self))
            yield overheard


class _Overheard(Hearing):
    """One hearing of an `Ear`."""

    def __init__(self, real: Hearing, ear: Ear) -> None:
        self.__dict__.update(real.__dict__)
        self.ear = ear

    async def listen(self, handle: Callable[[str, bytes], object]) -> Any:
        def passed(channel: str, message: bytes) -> None:
            if self.ear.look(channel, message):
                handle(channel, message)

        await super().listen(passed)


class Late:
    """Whose first answer is held back until `release`; then it is out of date. `count`: how often it was asked."""

    def __init__(self) -> None:
        self.count = 0
        self.asked, self.release = asyncio.Event(), asyncio.Event()

    async def late(self, call: Awaitable[T]) -> T:
        self.count += 1
        answer = await call
        if not self.asked.is_set():
            self.asked.set()
            await self.release.wait()
        return answer


class LateReads(Reads, Late):
    """Reads of which the first `load` is late."""

    def __init__(self, real: Reads) -> None:
        Late.__init__(self)
        self.__dict__.update(real.__dict__)

    async def load(self, slug: str, keep: int) -> Any:
        return await self.late(super().load(slug, keep))


class LateEvents(Log, Late):
    """A log of which the first `events` or `recent` are late."""

    def __init__(self, real: Log) -> None:
        Late.__init__(self)
        self.__dict__.update(real.__dict__)

    async def events(self, slug: str, epoch: str, after: int) -> Any:
        return await self.late(super().events(slug, epoch, after))

    async def recent(self, slug: str, epoch: str, upto: int) -> Any:
        return await self.late(super().recent(slug, epoch, upto))


class Tops(Log):
    """A log whose tops are counted, and fail with `error` while there is one."""

    def __init__(self, real: Log) -> None:
        self.__dict__.update(real.__dict__)
        self.count = 0
        self.error: Exception | None = None

    async def top(self, slugs: Any) -> Any:
        self.count += 1
        if self.error:
            raise self.error
        return await super().top(slugs)
