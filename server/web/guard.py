"""The guard: one pure ASGI middleware around everything: no answer leaves without the safety headers, no page of a
foreign origin comes in (`origins` says which are). It never asks for a token: `auth` does.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from ..newsroom.errors import StoppressError
from ..transport.problems import RequestError, deny, problem
from .origins import Origins, is_public, is_stream, origin_of

log = logging.getLogger(__name__)
_ODD = RequestError(400, "the path has a control character, such as a line break")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def content_policy(frame_ancestors: str) -> str:
    # Pictures come from wherever editors say; nothing else does. 'self' covers ws: and wss: of this host (CSP 3).
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http: https:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors {frame_ancestors}"
    )


class Guard:
    """Wraps the whole application. `refused` is called for each reader whose page's origin is not welcome."""

    def __init__(self, app: ASGIApp, origins: Origins, refused: Callable[[], None] = lambda: None) -> None:
        self.app = app
        self._origins = origins
        self._refused = refused
        self._public = {**SAFE, "Content-Security-Policy": content_policy(origins.embedders)}
        self._own = {
            **SAFE,
            "Content-Security-Policy": content_policy("'none'"),
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # A route of Starlette's also fits a path with a line break at its end, and `is_public` would not know it.
        is_odd = _CONTROL.search(scope["path"]) is not None
        public = not is_odd and is_public(scope)
        if public and scope["type"] == "websocket" and not self._origins.listed:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = origin_of(headers)
        allowed = self._origins.allow(origin, headers, public=public)
        refusal: StoppressError | None = None
        if not allowed and (not public or is_stream(scope)):
            refusal = self._origins.refusal(origin, public=public)
            if public:
                self._refused()
        elif is_odd:
            refusal = _ODD
        if scope["type"] == "websocket":
            await self._open(scope, receive, send, refusal)
            return

        added = dict(self._public if public else self._own)
        if self._origins.listed:
            # One answer per Origin, a refusal and a preflight too: a cache must not give one embedder's to another.
            added["Vary"] = "Origin"
        if public and allowed:
            added |= self._cors(origin)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Never the query: a token may stand in it.
                log.debug("%s %s: %d", scope["method"], scope["path"], message["status"])
                out = MutableHeaders(scope=message)
                for name, value in added.items():
                    if name == "Vary":
                        out.add_vary_header(value)
                    else:
                        out.setdefault(name, value)
            await send(message)

        answer = self.app
        if refusal is not None:
            answer = problem(refusal)
        elif scope["method"] == "OPTIONS" and public:
            answer = _preflight(allowed)
        await answer(scope, receive, guarded)

    async def _open(self, scope: Scope, receive: Receive, send: Send, refusal: StoppressError | None) -> None:
        if refusal is None:
            await self.app(scope, receive, send)
            return
        socket = WebSocket(scope, receive, send)
        await socket.receive()
        await deny(socket, refusal)

    def _cors(self, origin: str) -> dict[str, str]:
        exposed = {"Access-Control-Expose-Headers": "ETag, Retry-After"}
        if not self._origins.listed:
            return {"Access-Control-Allow-Origin": "*", **exposed}
        return {"Access-Control-Allow-Origin": origin, **exposed} if origin else {}


def _preflight(allowed: bool) -> Response:
    told = {"Allow": "GET, HEAD, OPTIONS"}
    if allowed:
        told |= {
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
            "Access-Control-Allow-Headers": "Cache-Control, If-None-Match, Last-Event-ID",
            "Access-Control-Max-Age": "86400",
        }
    return Response(status_code=204, headers=told)
