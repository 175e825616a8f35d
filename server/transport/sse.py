"""`GET /live/{slug}/events`: the native stream as Server-Sent Events (PROTOCOL section 4): endpoint and readers.

`Route("/live/{slug}/events", live_events)`; `app.state` holds `hub`, `relay` and `settings`. A stream is the last
answer of its connection and says so (`Connection: close`): it has no end that a next request could wait for, and who
is told to come back later should not come back to a server that stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from ..hub.feed import Feed
from ..hub.frame import Batch, Frame
from ..hub.hub import Hub
from ..hub.position import Position
from ..wire import sse
from ..wire.native import CloseCode
from .addresses import counted_as
from .connection import State
from .door import Refusal, check, cors, find
from .handed import HandedReader
from .handoff import ADMISSION, HANDOFF
from .portable import PortableReader
from .pump import Pump

HEARD_BYTES = 16 * 1024  # of requests that nobody will answer
RETRY_MS = (1000, 5000)  # a time of their own for all who lose their line at once
_LAST_IDS = ("last_event_id", "lastEventId", "lastEventID")  # ours, and what two polyfills of EventSource write

_KINDS = {
    403: ("not-allowed", "Not allowed"),
    404: ("not-found", "Not found"),
    410: ("gone", "Deleted"),
    503: ("try-again", "Not now"),
}
_CROWDED = Refusal(503, "This server takes no more readers for a moment; come back in a few seconds.", 2)


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

    def __init__(self, request: Request, position: Position | None) -> None:
        super().__init__(headers={**sse.HEADERS, **cors(request)})
        del self.headers["content-length"]
        self._request = request
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        feed = await find(self._request, self._position)
        if isinstance(feed, Refusal):
            await _answer(self._request, feed)(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        extensions = scope.get("extensions") or {}
        admits, hand_off = extensions.get(ADMISSION), extensions.get(HANDOFF)
        if admits is not None and not admits():
            await _answer(self._request, _CROWDED)(scope, receive, send)
            return
        if scope["http_version"].startswith("1"):  # later ones have no such header
            self.headers["Connection"] = "close"
        start: Message = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        pump, address = Pump.of(self._request.app.state), counted_as(self._request)
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
    refusal = check(request)
    if refusal is not None:
        return _answer(request, refusal)
    return EventStream(request, Position.parse(_last_id(request)))


def _last_id(request: Request) -> str:
    """The header wins: it is newer than the address, which a browser repeats when it comes back."""
    query = request.query_params
    asked = [request.headers.get("last-event-id"), *(query.get(name) for name in _LAST_IDS)]
    return next((last_id for last_id in asked if last_id), "")


def _answer(request: Request, refusal: Refusal) -> Response:
    headers = {"Cache-Control": "no-store"}
    if refusal.retry_after_s:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status != 403:
        headers |= cors(request)
    code, title = _KINDS[refusal.status]
    about = {"type": f"urn:stoppress:{code}", "title": title}
    problem = {**about, "status": refusal.status, "detail": refusal.detail}
    return JSONResponse(problem, refusal.status, headers, "application/problem+json")
