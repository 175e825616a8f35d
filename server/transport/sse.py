"""`GET /live/{slug}/events`: the native stream as Server-Sent Events (PROTOCOL section 4): endpoint and readers.

`Route("/live/{slug}/events", live_events)`, in an application that has `StreamParts`. A stream is the last answer of
its connection and says so (`Connection: close`): it has no end that a next request could wait for, and who is told to
come back later should not come back to a server that stops. It never says who is welcome, nor what a message holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ..hub.feed import Feed
from ..hub.frame import Batch, Frame
from ..hub.hub import Hub
from ..hub.position import Position
from ..newsroom.errors import BusyError, StoppressError
from ..wire import sse
from ..wire.native import CloseCode
from .addresses import counted_as
from .admission import crowded
from .connection import State
from .door import check, find
from .handed import HandedReader
from .handoff import ADMISSION, HANDOFF
from .parts import StreamParts, parts_of
from .portable import PortableReader
from .problems import problem
from .pump import Pump

HEARD_BYTES = 16 * 1024  # of requests that nobody will answer
RETRY_MS = (1000, 5000)  # a time of their own for all who lose their line at once
_LAST_IDS = ("last_event_id", "lastEventId", "lastEventID")  # ours, and what two polyfills of EventSource write


class HandedStream(HandedReader):
    """A reader on an event stream that was handed over. A peer that ends its own side is gone: browsers leave so."""

    __slots__ = ("_heard",)

    def __init__(self, pump: Pump, feed: Feed) -> None:
        super().__init__(pump, feed)
        self._heard = 0

    def begin(self, transport: asyncio.Transport, head: bytes, *, is_chunked: bool) -> None:
        opening = sse.opening(random.randint(*RETRY_MS))
        if is_chunked:
            self.open(transport, head + sse.chunk(opening), sse.chunked)
        else:
            self.open(transport, head + opening, sse.encode)

    def close(self, code: CloseCode) -> None:
        """End the answer as its head promised; why, the last message said."""
        if self.state < State.LEAVING:
            if self.encode is sse.chunked:
                self.write(sse.LAST_CHUNK)
            self.hang_up()

    def data_received(self, data: bytes) -> None:
        """No further request is answered (RFC 9112 section 9.6); one may have been sent before our head was read."""
        self._heard += len(data)
        if self._heard > HEARD_BYTES and self.state < State.LEAVING:
            self.pump.hub.counts.rude += 1
            self.cut()


class EventReader(PortableReader):
    """A reader on an event stream over plain ASGI: `hello` and the first message leave in one write."""

    __slots__ = ("_head", "_send", "_start")

    def __init__(self, hub: Hub, feed: Feed, send: Send, start: Message) -> None:
        super().__init__(hub, feed)
        self._send = send
        self._start = start
        self._head = b""

    async def open(self, hello: Frame) -> None:
        await self._send(self._start)
        self._head = sse.opening(random.randint(*RETRY_MS)) + hello.form(sse.encode)

    async def send(self, batch: Batch) -> None:
        head, self._head = self._head, b""
        await self._body(head + batch.forms[sse.encode])

    async def say(self, notice: Frame) -> None:
        await self._body(notice.form(sse.encode))

    async def _body(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def watch(self, receive: Receive) -> None:
        """Notice that the reader is gone even while nothing is written."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.stop(CloseCode.NORMAL)


class EventStream(Response):
    """The answer; joins when it starts, so nothing lies between the feed's state and the stream."""

    def __init__(self, request: Request, parts: StreamParts, position: Position | None) -> None:
        super().__init__(headers=sse.HEADERS)
        del self.headers["content-length"]
        self._request = request
        self._parts = parts
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            feed = await find(self._request, self._parts, self._position)
        except StoppressError as error:
            await problem(error)(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        extensions = scope.get("extensions") or {}
        admits, hand_off = extensions.get(ADMISSION), extensions.get(HANDOFF)
        if admits is not None and not admits():
            await problem(crowded())(scope, receive, send)
            return
        if scope["http_version"].startswith("1"):  # later ones have no such header
            self.headers["Connection"] = "close"
        start: Message = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        pump, address = self._parts.pump, counted_as(self._request, self._parts.settings)
        if hand_off is not None and hand_off(handed := HandedStream(pump, feed)):
            pump.join(feed, handed, self._position, address)
            try:
                await send(start)
            finally:
                if handed.state is State.NEW:  # it was no head
                    handed.leave()
            return
        reader = EventReader(pump.hub, feed, send, start)
        pump.join(feed, reader, self._position, address)
        watching = asyncio.create_task(reader.watch(receive))
        try:
            with contextlib.suppress(OSError):
                code = await reader.run()
                if code in (CloseCode.RESTART, CloseCode.STORY_DELETED):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            pump.leave(feed, reader)
            watching.cancel()
            await asyncio.wait({watching})


async def live_events(request: Request) -> Response:
    """One reader; `Last-Event-ID` (header, or a query of `_LAST_IDS`) resumes."""
    parts = parts_of(request.app, StreamParts)
    try:
        check(request, parts)
    except BusyError as error:
        return problem(error)
    return EventStream(request, parts, Position.parse(_last_id(request)))


def _last_id(request: Request) -> str:
    """The header wins: it is newer than the address, which a browser repeats when it comes back."""
    query = request.query_params
    asked = [request.headers.get("last-event-id"), *(query.get(name) for name in _LAST_IDS)]
    return next((last_id for last_id in asked if last_id), "")
