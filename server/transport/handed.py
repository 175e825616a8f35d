"""HandedReader: a reader that is the protocol of its own connection, handed over after the handshake.

What is left of a connection is this object and the transport: no task, no queue, no parser. Frames are the shared bytes
of `wire.rfc6455`; flow control is the transport's: who has not drained the last write is behind, gets nothing, and what
is owed then leaves in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..hub.feed import Feed
from ..hub.frame import Batch, Frame
from ..hub.reader import Reader
from ..wire import rfc6455
from ..wire.inbound import MESSAGE_BYTES, Inbox, RudeError
from ..wire.native import CloseCode
from .clock import now_ms
from .ear import Ear
from .kernel import acknowledged, owed
from .pump import Pump

CONFLATE_MS = 3000  # who was behind for so long gets a state rather than a history
_PIECE = 1024  # bytes parsed between two looks at the manners
_SPARED = frozenset({"beat", "readers"})  # late ones say nothing
_GONE = (RuntimeError, OSError)  # uvloop raises for a transport that is closed, asyncio says nothing


class HandedReader(Reader, asyncio.Protocol):
    """`begin` makes it the connection's protocol; it leaves its feed by itself."""

    __slots__ = (
        "_acknowledged",
        "_ear",
        "_held",
        "_inbox",
        "_painted",
        "_stuck_since",
        "encode",
        "feed",
        "is_closing",
        "pump",
        "transport",
    )

    MAX_BYTES = MESSAGE_BYTES
    is_watched = False  # see `look`

    def __init__(self, pump: Pump, feed: Feed) -> None:
        super().__init__()
        self.pump = pump
        self.feed = feed
        self.encode: Callable[[Frame], bytes] = rfc6455.plain
        self.is_closing = False
        self._ear: Ear | None = None
        self._inbox: Inbox | None = None
        self._held: Frame | None = None  # a notice for when the line is free again
        self._stuck_since = self._acknowledged = self._painted = 0

    def begin(self, transport: asyncio.Transport, head: bytes, *, is_deflated: bool) -> None:
        """Take the connection over; the handshake's answer, `hello` and what follows it leave in one write."""
        self.transport = transport
        if is_deflated:
            self.encode = rfc6455.deflated
        self.is_ready = True
        transport.set_protocol(self)
        transport.set_write_buffer_limits(0)  # whatever the kernel does not take at once makes it behind
        self.pump.lines += 1
        self.open(head)

    def open(self, head: bytes) -> None:
        hub, feed, now = self.pump.hub, self.feed, now_ms()
        hello = hub.hello(feed, now).form(self.encode)
        batch = feed.take(self)
        assert batch is not None
        self.transport.writelines((head, hello, batch.forms[self.encode]))
        # An earlier answer may still be leaving, which paused the gate; and asyncio's own `writelines` forgot to pause
        # (gh-127655).
        if self.is_ready and self.transport.get_write_buffer_size():
            self.pause_writing()
        hub.wrote(batch, now)

    # What the hub does

    def hand(self, batch: Batch) -> None:
        # A bare send on the descriptor would cost 0.6 µs less, of 12; but it lets go of the GIL each time, and one busy
        # thread then holds a fan-out up for 5 ms a reader. uvloop's write keeps it.
        try:
            self.transport.write(batch.forms[self.encode])
        except _GONE:
            self._leave()

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
        if self.is_closing:
            return
        self.wake()  # events go before notices
        if self.is_ready:
            self._say(notice)
        elif notice.type not in _SPARED and (self._held is None or self._held.type != "bye"):
            self._held = notice

    def cut(self) -> None:
        self.transport.abort()

    def _say(self, notice: Frame) -> None:
        self.write(notice.form(self.encode))
        if notice.type == "bye":
            self.close(CloseCode.RESTART)

    def write(self, data: bytes) -> None:
        try:
            self.transport.write(data)
        except _GONE:
            self._leave()

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye and give the reader a moment to say it too (RFC 6455 section 7.1.1)."""
        if not self.is_closing:
            self.write(rfc6455.close(code, reason))
            self._leave()
            self.pump.farewells.start(self)

    def _leave(self) -> None:
        self.is_closing, self.is_ready = True, False
        self.pump.leave(self.feed, self)

    # What the transport does

    def pause_writing(self) -> None:
        self.is_ready = False
        self.busy_since = now_ms()
        self.pump.slow.add(self)

    def resume_writing(self) -> None:
        long = now_ms() - self.busy_since >= CONFLATE_MS
        self.busy_since, self.is_ready = 0, not self.is_closing
        self.wake(conflate=long)
        if self._held is not None and self.is_ready:
            held, self._held = self._held, None
            self._say(held)

    def look(self, now: int) -> None:
        """Now and then, and once a second while it owes us: who takes something, however slowly, is not stuck."""
        if not owed(self.transport):
            self._stuck_since = self._acknowledged = 0
            if not self.busy_since:
                self.pump.slow.discard(self)
            return
        self.pump.slow.add(self)
        taken = acknowledged(self.transport)
        if not self._stuck_since or taken != self._acknowledged:
            self._stuck_since, self._acknowledged = now, taken
        elif now - self._stuck_since > self.pump.hub.cut_ms:
            self.pump.hub.counts.cuts += 1
            self.pump.slow.discard(self)
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self.pump.slow.discard(self)
        self.pump.farewells.stop(self)
        self.pump.talkers.stop(self)
        self.pump.lines -= 1
        self._lose_ear()
        self._inbox = self._held = None

    # What the reader says

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            if self._ear is None:
                self._ear = Ear(self.MAX_BYTES, is_deflated=self.encode is rfc6455.deflated)
            ear = self._ear
            frames = ear.frames
            messages = ear.hear(data[start : start + _PIECE])
            if not ear.is_over and (pongs := ear.answer()):
                self.write(pongs)
            if not self.is_closing:
                self.mind(ear, ear.frames - frames, messages)
            if ear.is_over:
                self._hang_up(ear)
                return
            if ear.is_idle:
                self._lose_ear()

    def mind(self, ear: Ear, frames: int, messages: list[str | bytes]) -> None:
        now = now_ms()
        if self._inbox is None:
            self._inbox = Inbox(self._painted)
            self.pump.talkers.start(self)
        inbox = self._inbox
        try:
            inbox.count(frames, now)
            for message in messages:
                self.hear(message, inbox, now)
        except RudeError as error:
            ear.fail(error.code, error.reason)

    def hear(self, message: str | bytes, inbox: Inbox, now: int) -> None:
        seq = inbox.hear(message, now)
        if seq is not None:
            self.pump.hub.seen(self.feed, self, seq, now)

    def forget(self) -> None:
        """It has been silent for a while, as nearly all readers are nearly always."""
        if self._inbox is not None and not self._inbox.is_forgettable(now_ms()):
            self.pump.talkers.start(self)
        elif self._inbox is not None:
            self._painted, self._inbox = self._inbox.newest, None

    def _lose_ear(self) -> None:
        if self._ear is not None:
            self._ear.drop()
            self._ear = None

    def _hang_up(self, ear: Ear) -> None:
        """The goodbyes are said, or the reader does not deserve any."""
        if not self.is_closing:
            if ear.failed:
                self.pump.hub.counts.rude += 1
            self.write(ear.answer())
            self._leave()
        self._lose_ear()
        self.pump.farewells.start(self)  # a line that is stuck would keep `close` waiting
        self.transport.close()
