"""Problems: how an error is said over HTTP and WebSocket, the same by every edge: RFC 9457, its headers, a close code.

It never decides who is refused: whoever raises the error does. Pages for people are `web.pages`'.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response
from starlette.websockets import WebSocket

from ..newsroom.errors import StoppressError, StoreError, VersionError
from ..wire.native import close_code

# 401 needs it (RFC 9110, section 11.6.1).
CHALLENGE = 'Bearer realm="stoppress"'
REASON_BYTES = 123  # RFC 6455 section 5.5: a close frame has 125


class RequestError(StoppressError):
    """The HTTP request itself is wrong: its method, length or type."""

    code = "request"

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.status = status
        self.title = HTTPStatus(status).phrase
        self.headers = headers or {}


def headers_of(error: StoppressError) -> dict[str, str]:
    """Headers that go with an error, on a page as in a problem document."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, RequestError):
        headers |= error.headers
    if error.status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if error.retry_after_s:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, VersionError):
        headers["ETag"] = f'"{error.current_version}"'
    return headers


def problem(error: StoppressError) -> Response:
    body = orjson.dumps(error.problem())
    return Response(body, error.status, headers_of(error), media_type="application/problem+json")


def raw(error: StoppressError) -> bytes:
    """The whole answer, for who gets it before there is an application; the connection ends with it."""
    answer = problem(error)
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


async def deny(socket: WebSocket, error: StoppressError) -> None:
    """Refuse a WebSocket before its handshake, by an HTTP answer where the server can: it costs less than a socket."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(problem(error))
    else:
        await hang_up(socket, error)


async def hang_up(socket: WebSocket, error: StoppressError) -> None:
    """The same where a handshake is done, or the server can give no answer: browsers show a page the code alone."""
    reason = error.detail.encode()[:REASON_BYTES].decode(errors="ignore")
    await socket.close(close_code(error.status), reason)


@contextlib.asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """StoreError when what is done in here takes longer: the store's own attempts add up to more than people wait."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StoreError("the store did not answer in time; try it again in a few seconds") from None
