"""`WS /live/{slug}/ws`: the native stream (PROTOCOL section 3): the endpoint, and its readers in both ways.

`Route`: `WebSocketRoute("/live/{slug}/ws", live_socket)`, in an application that has `StreamParts`. It never parses or
makes a frame: `ear` hears, `wire` makes.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.frame import Batch, Frame
from ..hub.hub import Hub
from ..hub.position import Position
from ..newsroom.errors import BusyError, StoppressError
from ..wire import native, rfc6455
from ..wire.inbound import MESSAGE_BYTES, Inbox, RudeError
from ..wire.native import SUBPROTOCOL, CloseCode
from .addresses import counted_as
from .connection import State
from .door import check, find
from .ear import Ear
from .handed import HandedReader
from .handoff import HANDOFF
from .parts import StreamParts, parts_of
from .portable import PortableReader
from .problems import deny, hang_up
from .pump import Pump

_PIECE = 1024  # bytes parsed between two looks at the manners
CLOSE_S = 1.0  # to get a close frame out to a line that may be stuck
# Starlette: a send to a connection that is gone raises WebSocketDisconnect once, then a RuntimeError (its subclass).
_GONE = (WebSocketDisconnect, RuntimeError, OSError)


class HandedSocket(HandedReader):
    """A reader on a WebSocket that was handed over. It hardly speaks, so what hears it is made for its first byte."""

    __slots__ = ("_ear", "_inbox", "_painted")

    MAX_BYTES = MESSAGE_BYTES

    def __init__(self, pump: Pump, feed: Feed) -> None:
        super().__init__(pump, feed)
        self._ear: Ear | None = None
        self._inbox: Inbox | None = None
        self._painted = 0

    def begin(self, transport: asyncio.Transport, head: bytes, *, is_deflated: bool) -> None:
        """`head`: the handshake's answer."""
        self.open(transport, head, rfc6455.deflated if is_deflated else rfc6455.plain)

    def close(self, code: CloseCode) -> None:
        """Give the reader a moment to say goodbye too (RFC 6455 section 7.1.1)."""
        if self.state < State.LEAVING:
            self.write(rfc6455.close(code))
            self.leave()
            self.connections.farewells.start(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lose_ear()
        self._inbox = None

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
            if self.state < State.LEAVING:
                self.mind(ear, ear.frames - frames, messages)
            if ear.is_over:
                self._end(ear)
                return
            if ear.is_idle:
                self._lose_ear()

    def mind(self, ear: Ear, frames: int, messages: list[str | bytes]) -> None:
        now = now_ms()
        if self._inbox is None:
            self._inbox = Inbox(self._painted)
            self.connections.talkers.start(self)
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
            self.connections.talkers.start(self)
        elif self._inbox is not None:
            self._painted, self._inbox = self._inbox.newest, None

    def _lose_ear(self) -> None:
        if self._ear is not None:
            self._ear.drop()
            self._ear = None

    def _end(self, ear: Ear) -> None:
        """The goodbyes are said, or the reader does not deserve any."""
        if self.state < State.LEAVING:
            if ear.failed:
                self.pump.hub.counts.rude += 1
            self.write(ear.answer())
        self._lose_ear()
        self.hang_up()


class SocketReader(PortableReader):
    """A reader on a WebSocket over plain ASGI: one text frame a message. One task reads and always drains (uvicorn
    stops reading after a message until it is received), one writes."""

    __slots__ = ("inbox", "socket")

    def __init__(self, hub: Hub, feed: Feed, socket: WebSocket) -> None:
        super().__init__(hub, feed)
        self.socket = socket
        self.inbox: Inbox | None = None

    async def open(self, hello: Frame) -> None:
        await self.say(hello)

    async def send(self, batch: Batch) -> None:
        for frame in batch.frames:
            # The form is asked for at the last moment: a frame may have been redacted while this reader was slow.
            await self.socket.send_text(frame.form(native.text))
            self.busy_since = now_ms()

    async def say(self, notice: Frame) -> None:
        await self.socket.send_text(notice.form(native.text))

    async def listen(self) -> None:
        """Read until the reader leaves or must go."""
        code = CloseCode.NORMAL
        try:
            while (message := await self.socket.receive())["type"] != "websocket.disconnect":
                self._hear(message["text"] if message.get("text") is not None else message.get("bytes") or b"")
        except RudeError as error:
            self.hub.counts.rude += 1
            code = error.code
        except _GONE:
            pass
        self.stop(code)

    def _hear(self, message: str | bytes) -> None:
        now = now_ms()
        self.inbox = self.inbox or Inbox()
        seq = self.inbox.hear(message, now)
        if seq is not None:
            self.hub.seen(self.feed, self, seq, now)


async def live_socket(websocket: WebSocket) -> None:
    """One reader, from handshake to close."""
    parts = parts_of(websocket.app, StreamParts)
    try:
        check(websocket, parts)
    except BusyError as error:
        await deny(websocket, error)
        return
    hand_off = websocket.scope.get("extensions", {}).get(HANDOFF)
    with contextlib.suppress(*_GONE):
        offered = websocket.scope.get("subprotocols", ())
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered else None
        if hand_off is None:
            await websocket.accept(subprotocol)
        position = None
        if websocket.scope["query_string"]:
            query = websocket.query_params
            position = Position.of(query.get("epoch", ""), query.get("seq", ""))
        try:
            feed = await find(websocket, parts, position)
        except StoppressError as error:
            if hand_off is not None and error.status >= 500:
                await deny(websocket, error)
                return
            if hand_off is not None:
                await websocket.accept(subprotocol)  # browsers show a page the close code, but no status
            await hang_up(websocket, error)
            return
        pump = parts.pump
        if hand_off is not None:
            handed = HandedSocket(pump, feed)
            pump.join(feed, handed, position, counted_as(websocket, parts.settings))
            if not hand_off(handed, subprotocol):
                pump.leave(feed, handed)
            return
        reader = SocketReader(pump.hub, feed, websocket)
        pump.join(feed, reader, position, counted_as(websocket, parts.settings))
        listening = asyncio.create_task(reader.listen())
        code = CloseCode.ERROR
        try:
            code = await reader.run()
        except asyncio.CancelledError:
            code = CloseCode.RESTART
            raise
        finally:
            pump.leave(feed, reader)
            listening.cancel()
            await asyncio.wait({listening})
            if code != CloseCode.TOO_SLOW:  # a line that takes nothing takes no close frame either
                with contextlib.suppress(TimeoutError, *_GONE):
                    async with asyncio.timeout(CLOSE_S):
                        await websocket.close(code)
