"""Pump: steps the hub on the running loop: events and notices in slices, and one sweep a second.

One per worker, idle without readers. It never knows what it carries: the hub says what is to be done, and in which
order, and knows no loop, clock or chance itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.hub import Hub
from ..hub.position import Position
from ..hub.reader import Reader
from ..tasks import keep
from .addresses import Addresses
from .connection import LOOK_TURNS, Connections

SWEEP_S = 1.0
CONFLATE_MS = 3000
SLICE = 200  # readers woken between two turns of the loop: a few ms


class Pump:
    """`connections` and `addresses`: of this worker's readers. `conflate_ms`: who was behind for so long gets a state
    rather than a history."""

    def __init__(
        self,
        hub: Hub,
        *,
        sweep_s: float = SWEEP_S,
        look_turns: int = LOOK_TURNS,
        conflate_ms: int = CONFLATE_MS,
    ) -> None:
        self.hub = hub
        self.conflate_ms = conflate_ms
        self._sweep_s = sweep_s
        hub.on_work = self._kick
        self.connections = Connections(hub, look_turns)
        self.addresses = Addresses()
        self._work: Iterator[float] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    def join(self, feed: Feed, reader: Reader, position: Position | None, address: str = "") -> bool:
        """`Feed.join`, and the sweep runs. `address`: if readers of one are to be counted."""
        self.addresses.add(reader, address)
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = keep("the sweep", self._sweep)
        return feed.join(reader, position)

    def leave(self, feed: Feed, reader: Reader) -> None:
        """A second time changes nothing."""
        feed.leave(reader)
        self.addresses.remove(reader)
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

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            now = now_ms()
            self.connections.look(now)
            self.hub.sweep(now)
