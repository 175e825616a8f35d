"""Pump: steps the hub on the running loop: events and notices in slices, and one sweep a second.

One per worker, made at its first reader and idle without any; the hub itself knows no loop, clock or chance.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.datastructures import State

from ..hub.feed import Feed
from ..hub.hub import Hub
from ..hub.position import Position
from ..hub.reader import Reader
from ..wire.inbound import WINDOW_MS
from .clock import now_ms
from .deadlines import Deadlines

if TYPE_CHECKING:
    from .handed import HandedReader

SWEEP_S = 1.0
LOOK_TURNS = 8  # sweeps in which each line is looked at once, for who takes nothing
SLICE = 200  # readers woken between two turns of the loop: a few ms
FAREWELL_S = 1.0  # for a reader to answer our close


class Pump:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        hub.on_work = self._kick
        self._work: Iterator[float] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        self.slow: set[HandedReader] = set()
        self._addresses: dict[Reader, str] = {}
        self._from: Counter[str] = Counter()
        self.lines = 0  # connections that were handed over and are not closed yet
        self.talkers: Deadlines[HandedReader] = Deadlines(WINDOW_MS / 1000, lambda reader: reader.forget())
        self.farewells: Deadlines[HandedReader] = Deadlines(FAREWELL_S, lambda reader: reader.cut())

    @classmethod
    def of(cls, state: State) -> Pump:
        """The pump of `app.state`, where the hub is."""
        pump: Pump | None = getattr(state, "pump", None)
        if pump is None or pump.hub is not state.hub:
            pump = state.pump = cls(state.hub)
        return pump

    @staticmethod
    def lines_of(state: State) -> int:
        """`lines`, also before there is a pump."""
        pump: Pump | None = getattr(state, "pump", None)
        return pump.lines if pump else 0

    def join(self, feed: Feed, reader: Reader, position: Position | None, address: str = "") -> bool:
        """`Feed.join`, and the sweep runs. `address`: if readers of one are to be counted."""
        if address:
            self._addresses[reader] = address
            self._from[address] += 1
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep())
        return feed.join(reader, position)

    def from_address(self, address: str) -> int:
        return self._from[address]

    def leave(self, feed: Feed, reader: Reader) -> None:
        feed.leave(reader)
        if address := self._addresses.pop(reader, ""):
            self._from[address] -= 1
            if not self._from[address]:
                del self._from[address]
        self._left.set()
        if self._sweeping is not None and not self.hub.readers:
            self._sweeping.cancel()
            self._sweeping = None

    async def empty(self, within_s: float) -> None:
        """Wait until there is no reader left, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.hub.readers:
                    self._left.clear()
                    await self._left.wait()

    def _kick(self) -> None:
        if self._work is None:
            self._work = self.hub.work(now_ms, SLICE)
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        """A slice of the work, and the next one at another turn of the loop. A task would cost an event 50 µs more."""
        assert self._work is not None
        try:
            pause_s = next(self._work, None)
        except Exception:
            self._work = None
            self._kick()  # who was to be served after the one that failed
            raise
        if pause_s is None:
            self._work = None
        else:
            asyncio.get_running_loop().call_later(pause_s, self._step)

    def _bucket(self, turn: int) -> list[HandedReader]:
        """One part in `LOOK_TURNS` of the readers that were handed their connection."""
        readers = [reader for feed in self.hub.feeds.values() for reader in tuple(feed.readers)[turn::LOOK_TURNS]]
        return [reader for reader in readers if not reader.is_watched]  # type: ignore[misc]

    async def _sweep(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(SWEEP_S)
            now = now_ms()
            turn = (turn + 1) % LOOK_TURNS
            for reader in {*self.slow, *self._bucket(turn)}:
                reader.look(now)
            self.hub.sweep(now)
