"""PortableReader: a reader over plain ASGI, written by a task of its own. Works on any server, and in tests.

It never touches a transport: the server has it.

The task pulls what the feed owes and waits for each write, so the server's own flow control is what makes a reader
slow; meanwhile nothing is queued for it, its number just falls behind.
"""

from __future__ import annotations

import asyncio

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.frame import Batch, Frame
from ..hub.hub import Hub
from ..hub.reader import Reader
from ..newsroom.events import BYE, LIVE, STALE
from ..wire.native import CloseCode

_SLOTS = {STALE: "link", LIVE: "link"}  # either makes the other obsolete


class PortableReader(Reader):
    """Subclasses say how to `open`, `send` and `say`; `run` returns when the connection should be closed."""

    __slots__ = ("_deadline", "_notices", "_ready", "code", "feed", "hub")

    def __init__(self, hub: Hub, feed: Feed) -> None:
        super().__init__()
        self.hub = hub
        self.feed = feed
        self.code: CloseCode | None = None
        self._ready = asyncio.Event()
        self._notices: dict[str, Frame] = {}
        self._deadline: asyncio.Timeout | None = None

    def wake(self) -> None:
        self._ready.set()

    def note(self, notice: Frame) -> None:
        self._notices[_SLOTS.get(notice.type, notice.type)] = notice
        self._ready.set()

    def cut(self) -> None:
        self.stop(CloseCode.TOO_SLOW)

    def stop(self, code: CloseCode) -> None:
        """End `run` now, even in the middle of a write; the first reason stays."""
        if self.code is not None:
            return
        self.code = code
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> CloseCode:
        """Write until there is a reason to close; raises what the server raises when the reader is gone."""
        try:
            async with asyncio.timeout(None) as self._deadline:
                if self.code is not None:  # stopped before it began
                    return self.code
                return await self._write()
        except TimeoutError:
            return self.code or CloseCode.TOO_SLOW
        finally:
            self._deadline = None

    async def _write(self) -> CloseCode:
        feed, hub = self.feed, self.hub
        self.busy_since = now_ms()  # an earlier answer may still be leaving
        await self.open(hub.hello(feed, now_ms()))
        while True:
            self._ready.clear()
            self.busy_since = now_ms()
            while (batch := feed.take(self)) is not None:
                await self.send(batch)
                hub.wrote(batch, now_ms())
            if feed.deleted:
                return CloseCode.STORY_DELETED
            if self._notices:
                slot, notice = next(iter(self._notices.items()))
                del self._notices[slot]
                await self.say(notice)
                if notice.type == BYE:
                    return CloseCode.RESTART
                continue  # an event that came meanwhile goes first
            self.busy_since = 0
            await self._ready.wait()

    async def open(self, hello: Frame) -> None:
        raise NotImplementedError

    async def send(self, batch: Batch) -> None:
        raise NotImplementedError

    async def say(self, notice: Frame) -> None:
        raise NotImplementedError
