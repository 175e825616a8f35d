"""Origins: whose pages may read and embed what, decided once for pages, API, streams and sockets alike.

It never asks who somebody is (`auth` does), and speaks to nobody: `guard` puts its answers on what leaves.

Reader paths are public: any origin may read, or those of `STOPPRESS_ORIGINS`. Everything else is for pages of this
server only: WebSockets are not covered by CORS, so the origin is checked by ourselves (CWE-1385).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from ..newsroom.errors import NotAllowedError
from ..settings import Settings

OPERATIONS = ("/dashboard", "/login", "/logout", "/stats", "/metrics", "/api")
_BELOW = tuple(f"{root}/" for root in OPERATIONS)
_EVENTS = re.compile(r"/live/[^/]+/events")
_HOST = re.compile(r"[A-Za-z0-9.\-_]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


def is_public(scope: Scope) -> bool:
    """Is this for readers? (`/live/ws` is a story's page by HTTP, the operators' stream by WebSocket.)"""
    path = scope["path"]
    if scope["type"] == "websocket" and path == "/live/ws":
        return False
    return path not in OPERATIONS and not path.startswith(_BELOW)


def is_stream(scope: Scope) -> bool:
    """Would a reader stay? Who may not read is refused then; of other answers a browser gives such a page nothing."""
    return scope["type"] == "websocket" or (scope["method"] != "OPTIONS" and bool(_EVENTS.fullmatch(scope["path"])))


def host_name(headers: Headers) -> str:
    """The name in the Host header without its port; "" if it is not one."""
    host = headers.get("host", "")
    if not _HOST.fullmatch(host):
        return ""
    return (host.rpartition(":")[0] if re.search(r":\d+$", host) else host).strip("[]").lower()


def origin_of(headers: Headers) -> str:
    """The origin of the page that asks, "" where it is none. Two of them name no origin: together none is allowed."""
    return ", ".join(headers.getlist("origin")).lower()


class Origins:
    """`listed`: those that may read what is public; none = all may."""

    def __init__(self, settings: Settings) -> None:
        self.listed = settings.origins
        parts = urlsplit(settings.public_url)
        self._public = f"{parts.scheme}://{parts.netloc}".lower() if settings.public_url else ""

    @property
    def embedders(self) -> str:
        """Whose pages may show ours in a frame (CSP 3, `frame-ancestors`)."""
        return " ".join(("'self'", *self.listed)) if self.listed else "*"

    def allow(self, origin: str, headers: Headers, *, public: bool) -> bool:
        """May a page of this origin read here? `headers` tell what this server is called; no origin: not a page."""
        if not origin or (public and (not self.listed or origin in self.listed)):
            return True
        # A proxy may speak TLS for us, so both schemes are our own.
        host = headers.get("host", "").lower()
        return origin in (f"http://{host}", f"https://{host}", self._public)

    def refusal(self, origin: str, *, public: bool) -> NotAllowedError:
        """What is said to such a page, wherever it asks."""
        page = f"a page of {origin[:100]}"
        if public:
            return NotAllowedError(f"{page} may not read here; this server's operator lists who may: STOPPRESS_ORIGINS")
        return NotAllowedError(f"this path is for pages of this server only; the request comes from {page}")
