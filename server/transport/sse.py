"""`GET /live/{slug}/events`: the native stream as Server-Sent Events (PROTOCOL section 4) over plain ASGI.

`Route("/live/{slug}/events", live_events)`; `app.state` holds `hub`, `relay` and `settings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ..hub.frame import Batch, Frame
from ..hub.position import Position
from ..wire import sse
from ..wire.native import CloseCode
from .addresses import counted_as
from .door import Refusal, check, cors, find
from .portable import PortableReader
from .pump import Pump

RETRY_MS = (1000, 5000)  # a time of their own for all who lose their line at once
_LAST_IDS = ("last_event_id", "lastEventId", "lastEventID")  # ours, and what two polyfills of EventSource write

_KINDS = {
    403: ("not-allowed", "Not allowed"),
    404: ("not-found", "Not found"),
    410: ("gone", "Deleted"),
    503: ("try-again", "Not now"),
}


class EventReader(PortableReader):
    """A reader on an event stream: `hello` and the first message leave in one write."""

    __slots__ = ("_head", "_send")

    def __init__(self, hub, feed, send: Send) -> None:  # type: ignore[no-untyped-def]
        super().__init__(hub, feed)
        self._send = send
        self._head = b""

    async def open(self, hello: Frame) -> None:
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
        pump = Pump.of(self._request.app.state)
        reader = EventReader(pump.hub, feed, send)
        pump.join(feed, reader, self._position, counted_as(self._request))
        watching = asyncio.create_task(reader.watch(receive))
        try:
            with contextlib.suppress(OSError):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
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
