"""The door: one pure ASGI middleware that says who may read what from where, and puts the safety headers on.

Reader paths are public: no cookie, any Origin, or those of `STOPPRESS_ORIGINS`. Everything else, WebSockets too, is
for pages of this server only: WebSockets are not covered by CORS, so the Origin is checked here (CWE-1385).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from ..newsroom.errors import NotAllowedError, StoppressError
from ..settings import Settings
from .problems import RequestError, problem

log = logging.getLogger(__name__)
OPERATIONS = ("/dashboard", "/login", "/logout", "/stats", "/metrics", "/api")
_ODD = RequestError(400, "the path has a control character, such as a line break")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BELOW = tuple(f"{root}/" for root in OPERATIONS)
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HOST = re.compile(r"[A-Za-z0-9.\-_]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


def is_public(scope: Scope) -> bool:
    """Is this for readers? (`/live/ws` is a story's page by HTTP, the operators' stream by WebSocket.)"""
    path = scope["path"]
    if scope["type"] == "websocket" and path == "/live/ws":
        return False
    return path not in OPERATIONS and not path.startswith(_BELOW)


def host_name(headers: Headers) -> str:
    """The name in the Host header without its port; "" if it is not one."""
    host = headers.get("host", "")
    if not _HOST.fullmatch(host):
        return ""
    return (host.rpartition(":")[0] if re.search(r":\d+$", host) else host).strip("[]").lower()


def own_origins(headers: Headers, settings: Settings) -> set[str]:
    """Origins that pages of this server may have. A proxy may speak TLS for us, so both schemes count."""
    host = headers.get("host", "").lower()
    own = {f"http://{host}", f"https://{host}"}
    if settings.public_url:
        parts = urlsplit(settings.public_url)
        own.add(f"{parts.scheme}://{parts.netloc}".lower())
    return own


def content_policy(frame_ancestors: str) -> str:
    # Pictures come from wherever editors say; nothing else does. 'self' covers ws: and wss: of this host (CSP 3).
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http: https:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors {frame_ancestors}"
    )


class Guard:
    """Wraps the whole application. `refused` is called for each reader whose page's origin is not welcome."""

    def __init__(self, app: ASGIApp, settings: Settings, refused: Callable[[], None] = lambda: None) -> None:
        self.app = app
        self.settings = settings
        self._refused = refused
        embedders = " ".join(("'self'", *settings.origins)) if settings.origins else "*"
        self._public = {**SAFE, "Content-Security-Policy": content_policy(embedders)}
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
        if public and scope["type"] == "websocket" and not self.settings.origins:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Two of them name no origin: together they are none that is allowed.
        origin = ", ".join(headers.getlist("origin")).lower()
        own = not origin or origin in own_origins(headers, self.settings)
        allowed = own or (public and (not self.settings.origins or origin in self.settings.origins))
        if scope["type"] == "websocket":
            if not allowed:
                if public:
                    self._refused()
                error: StoppressError = NotAllowedError(f"pages of {origin[:100]} may not open this stream")
            elif is_odd:
                error = _ODD
            else:
                await self.app(scope, receive, send)
                return
            await _refuse_socket(scope, receive, send, error)
            return

        added = dict(self._public if public else self._own)
        if self.settings.origins:
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

        if not public and not allowed:
            answer: Any = problem(NotAllowedError(_other_origin(origin)))
        elif scope["method"] == "OPTIONS" and public:
            answer = _preflight(allowed)
        elif is_odd:
            answer = problem(_ODD)
        else:
            answer = self.app
        await answer(scope, receive, guarded)

    def _cors(self, origin: str) -> dict[str, str]:
        exposed = {"Access-Control-Expose-Headers": "ETag, Retry-After"}
        if not self.settings.origins:
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


def _other_origin(origin: str) -> str:
    return f"this path is for pages of this server only; the request comes from a page of {origin[:100]}"


async def _refuse_socket(scope: Scope, receive: Receive, send: Send, error: StoppressError) -> None:
    socket = WebSocket(scope, receive, send)
    await socket.receive()
    await deny(socket, error)


async def deny(socket: WebSocket, error: StoppressError) -> None:
    """Refuse a WebSocket before its handshake, with a reason where the server can carry one."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(problem(error))
    else:
        await socket.close(4403 if error.status == 403 else 4401)
