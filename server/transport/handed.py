"""HandedReader: a reader that is the protocol of its own connection, whatever dialect it reads.

It never makes a byte and never queues one: `wire` makes them, the feed remembers.

The bytes are shared by all readers of a dialect; who is behind gets nothing, and what is owed then leaves in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.frame import Batch, Frame
from ..hub.notices import SPARED
from ..hub.reader import Reader
from ..newsroom.events import BYE
from ..wire.native import CloseCode
from .connection import GONE, Connections, HandedConnection, State
from .pump import Pump


class HandedReader(HandedConnection, Reader):
    """Join it to its feed, then begin; it leaves its feed by itself. A dialect says how to begin and how to `close`."""

    __slots__ = (*HandedConnection.SLOTS, "_held", "encode", "feed", "pump")

    is_watched = False  # see `look`
    encode: Callable[[Frame], bytes]

    def __init__(self, pump: Pump, feed: Feed) -> None:
        Reader.__init__(self)
        HandedConnection.__init__(self)
        self.pump = pump
        self.feed = feed
        self._held: Frame | None = None  # a notice for when the connection is free again

    @property
    def connections(self) -> Connections:
        return self.pump.connections

    def enter(self, state: State) -> None:
        self.state = state
        self.is_ready = state is State.OPEN

    def open(self, transport: asyncio.Transport, head: bytes, encode: Callable[[Frame], bytes]) -> None:
        """Take the connection over; `head`, `hello` and what follows it leave in one write."""
        self.encode = encode
        self.take_over(transport)
        hub, feed, now = self.pump.hub, self.feed, now_ms()
        hello = hub.hello(feed, now).form(encode)
        batch = feed.take(self)
        assert batch is not None
        transport.writelines((head, hello, batch.forms[encode]))
        # An earlier answer may still be leaving, which paused the gate; and asyncio's own `writelines` forgot to pause
        # (gh-127655).
        if self.is_ready and transport.get_write_buffer_size():
            self.pause_writing()
        hub.wrote(batch, now)

    # What the hub does

    def hand(self, batch: Batch) -> None:
        # A bare send on the descriptor would cost 0.6 µs less, of 12; but it lets go of the GIL each time, and one busy
        # thread then holds a fan-out up for 5 ms a reader. uvloop's write keeps it.
        try:
            self.transport.write(batch.forms[self.encode])
        except GONE:
            self.leave()

    def wake(self, *, conflate: bool = False) -> None:
        if not self.is_ready:
            return
        feed = self.feed
        batch = feed.take(self, conflate=conflate)
        if batch is not None:
            self.write(batch.forms[self.encode])
            self.pump.hub.wrote(batch, now_ms())
            if feed.deleted:
                self.close(CloseCode.STORY_DELETED)

    def note(self, notice: Frame) -> None:
        if self.state >= State.LEAVING:
            return
        self.wake()  # events go before notices
        if self.is_ready:
            self._say(notice)
        elif notice.type not in SPARED and (self._held is None or self._held.type != BYE):
            self._held = notice

    def _say(self, notice: Frame) -> None:
        self.write(notice.form(self.encode))
        if notice.type == BYE:
            self.close(CloseCode.RESTART)

    def close(self, code: CloseCode) -> None:
        """Say goodbye in the words of the dialect, and leave; a second time changes nothing."""
        raise NotImplementedError

    def leave(self) -> None:
        super().leave()
        self.pump.leave(self.feed, self)

    # What the transport does

    def pause_writing(self) -> None:
        self.busy_since = now_ms()
        super().pause_writing()

    def resume_writing(self) -> None:
        long = now_ms() - self.busy_since >= self.pump.conflate_ms
        self.busy_since = 0
        super().resume_writing()
        self.wake(conflate=long)
        if self._held is not None and self.is_ready:
            held, self._held = self._held, None
            self._say(held)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._held = None
