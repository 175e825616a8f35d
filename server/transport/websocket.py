"""`WS /live/{slug}/ws`: the native stream (PROTOCOL section 3) over plain ASGI.

`Route`: `WebSocketRoute("/live/{slug}/ws", live_socket)`; `app.state` holds `hub`, `relay` and `settings`. One task
reads and always drains (uvicorn stops reading after a message until it is received), one writes.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..hub.frame import Batch, Frame
from ..hub.position import Position
from ..wire import native
from ..wire.inbound import Inbox, RudeError
from ..wire.native import SUBPROTOCOL, CloseCode
from .clock import now_ms
from .door import Refusal, check, counted_as, find
from .handed import HandedReader
from .handoff import HANDOFF
from .portable import PortableReader
from .pump import Pump

CLOSE_S = 1.0  # to get a close frame out to a line that may be stuck
_CLOSES = {404: CloseCode.NO_STORY, 410: CloseCode.STORY_DELETED, 503: CloseCode.OVERLOADED}
# Starlette: a send to a connection that is gone raises WebSocketDisconnect once, then a RuntimeError (its subclass).
_GONE = (WebSocketDisconnect, RuntimeError, OSError)


class SocketReader(PortableReader):
    """A reader on a WebSocket: one text frame a message."""

    __slots__ = ("inbox", "socket")

    def __init__(self, hub, feed, socket: WebSocket) -> None:  # type: ignore[no-untyped-def]
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
                self._hear(message.get("text") if message.get("text") is not None else message.get("bytes") or b"")
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
    refusal = check(websocket)
    if refusal is not None:
        await _deny(websocket, refusal)
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
        feed = await find(websocket, position)
        if isinstance(feed, Refusal):
            if hand_off is not None and feed.status == 503:
                await _deny(websocket, feed)
                return
            if hand_off is not None:
                await websocket.accept(subprotocol)  # browsers show a page the close code, but no status
            await websocket.close(_CLOSES[feed.status], feed.detail[:100])
            return
        pump = Pump.of(websocket.app.state)
        if hand_off is not None:
            handed = HandedReader(pump, feed)
            pump.join(feed, handed, position, counted_as(websocket))
            if not hand_off(handed, subprotocol):
                pump.leave(feed, handed)
            return
        reader = SocketReader(pump.hub, feed, websocket)
        pump.join(feed, reader, position, counted_as(websocket))
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


async def _deny(websocket: WebSocket, refusal: Refusal) -> None:
    """Before the handshake ends, where the server can: an HTTP answer costs less than a socket."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
        await websocket.send_denial_response(PlainTextResponse(refusal.detail, refusal.status, headers))
    else:
        await websocket.close(_CLOSES.get(refusal.status, CloseCode.POLICY))
