"""The pump goes on: one reader's failure is not the others'."""

from __future__ import annotations

import asyncio
from typing import Any

from stoppress.hub.frame import Batch
from stoppress.hub.hub import Hub
from stoppress.hub.reader import Reader
from stoppress.transport.pump import Pump
from streams import new_state, tell


class Listener(Reader):
    def __init__(self) -> None:
        super().__init__()
        self.is_ready = True
        self.handed: list[Batch] = []

    def hand(self, batch: Batch) -> None:
        self.handed.append(batch)


class Broken(Listener):
    def hand(self, batch: Batch) -> None:
        raise ValueError("nobody thought of this")


async def test_a_reader_that_fails_keeps_no_other_story_waiting(until: Any) -> None:
    hub = Hub()
    pump = Pump(hub)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    readers: list[Listener] = [Broken(), Listener(), Listener()]
    for slug, reader in zip("abc", readers, strict=True):
        feed = hub.add(slug, new_state())
        pump.join(feed, reader, feed.position)
        feed.take(reader)
    for feed in hub.feeds.values():
        tell(feed)
    await until(lambda: all(reader.handed for reader in readers[1:]))
    assert [type(error) for error in told] == [ValueError]
    for feed, reader in zip(hub.feeds.values(), readers, strict=True):
        pump.leave(feed, reader)
