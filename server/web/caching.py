"""Answers that may be kept: their tag is the position they were made at, and what else they depend on.

It never looks into what it keeps.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..single_flight import SingleFlight

# PROTOCOL, section 2: a cache may answer for a second, and for four more while it asks again.
SHARED = "public, max-age=1, stale-while-revalidate=4"
ROOM_BYTES = 16 * 1024 * 1024


def position_tag(epoch: str, seq: int, *also: object) -> str:
    """`W/"EPOCH:SEQ-…"`; weak, because a proxy may compress what it tags. `also`: sort, page, template version."""
    more = "-" + content_hash("\x1f".join(map(str, also)).encode()) if also else ""
    return f'W/"{epoch}:{seq}{more}"'


def content_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def not_modified(request: Request, tag: str) -> bool:
    """Does the asker hold this already? If-None-Match compares weakly (RFC 9110, section 13.1.2)."""
    given = request.headers.get("if-none-match", "")
    held = [part.strip().removeprefix("W/") for part in given.split(",")]
    return given.strip() == "*" or tag.removeprefix("W/") in held


def tagged(request: Request, tag: str, body: bytes, media_type: str) -> Response:
    """`body`, or 304 if the asker holds it."""
    headers = {"ETag": tag, "Cache-Control": SHARED}
    if not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


class Made:
    """Pages made lately, by tag and address: a crowd that asks for one page at one position has it made once.

    Made in a thread, so that no template keeps the hub's loop for long; the oldest go when `room` bytes are held.
    """

    def __init__(self, room: int = ROOM_BYTES) -> None:
        self._room = room
        self._held: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._flights: SingleFlight[tuple[str, ...], bytes] = SingleFlight()

    async def get(self, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
        return await self.read(key, lambda: asyncio.to_thread(make))

    async def read(self, key: tuple[str, ...], make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """The same for what waits for the store."""
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
            return held
        return await self._flights.join(key, lambda: self._keep(key, make))

    async def _keep(self, key: tuple[str, ...], make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        page = self._held[key] = await make()
        self._room -= len(page)
        while self._room < 0:
            self._room += len(self._held.popitem(last=False)[1])
        return page
