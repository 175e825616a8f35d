"""`WS /live/ws`: the events of all stories in one stream for operators, each message with its `slug` (PROTOCOL, 8).

It never wakes, counts or slows a reader.

A first message `{"type":"resume","positions":{slug:"EPOCH:SEQ"}}` within a second takes up where the client was, from
the log as the readers' stream does; a story it does not name begins at its newest event. Each story opens with
`resumed`, or with `snapshot` where the position cannot be honoured and for stories made later; one that was deleted
meanwhile with `story.deleted`. Who watches here is no reader and is counted nowhere: the feeds are looked at ten times
a second, so nothing of the readers' path knows of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.frame import Frame
from ..hub.hub import Hub
from ..hub.notices import live, stale
from ..hub.position import Position
from ..newsroom.errors import StoppressError
from ..newsroom.events import BEAT, STORY_DELETED
from ..newsroom.fields import SLUG
from ..newsroom.times import format_time
from ..store.relay import Relay
from ..store.store import Store, StoryGoneError
from ..wire.native import CloseCode, encode
from .auth import Auth
from .operations import RECHECK_S, SEND_S, admit, revoked

FIRST_S = 1.0  # how long a resume message is waited for
LOOK_S = 0.1
STORIES_S = 5.0  # between looks for new stories
READS = 8  # stories read at a time
FIRST_BYTES = 1024 * 1024


class AllStories:
    """One object serves every such socket."""

    def __init__(self, hub: Hub, relay: Relay, store: Store, auth: Auth, *, beat_s: float) -> None:
        self._hub = hub
        self._relay = relay
        self._store = store
        self._auth = auth
        self._beat_s = beat_s

    async def stream(self, socket: WebSocket) -> None:
        if not await admit(socket, self._auth):
            return
        listening: asyncio.Task[Any] = asyncio.create_task(socket.receive())
        try:
            await asyncio.wait({listening}, timeout=FIRST_S)
            asked = None
            if listening.done():
                asked = _positions(listening.result())
                if asked is None:
                    await socket.close(CloseCode.POLICY, 'the first message may be {"type":"resume","positions":{…}}')
                    return
                listening = asyncio.create_task(socket.receive())
            code = await self._write(socket, listening, asked or {})
            await socket.close(code)
        except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            return  # gone, or it took nothing for too long
        finally:
            listening.cancel()

    async def _write(self, socket: WebSocket, listening: asyncio.Task[Any], asked: dict[str, Position | None]) -> int:
        seen: dict[str, Position | None] = {}
        told_stale: int | None = None
        messages: list[bytes] = []
        spoke = checked = time.monotonic()
        looked, is_first = float("-inf"), True
        while not listening.done():
            now = time.monotonic()
            if now - looked >= STORIES_S:
                is_first, looked = looked < 0, now
                messages = await self._load_all(asked if is_first else {})
                if is_first:  # what a client does not name begins here
                    seen = {**{slug: feed.position for slug, feed in self._hub.feeds.items()}, **asked}
            if self._hub.is_draining:
                return CloseCode.RESTART
            if now - checked >= RECHECK_S:
                checked = now
                if await revoked(socket, self._auth):
                    return CloseCode.NO_TOKEN
            messages += self._owed(seen, is_first)
            is_first = False
            if told_stale != self._hub.stale_since:
                told_stale = self._hub.stale_since
                messages.append(encode(live() if told_stale is None else stale(told_stale)))
            if not messages and now - spoke >= self._beat_s:
                messages.append(orjson.dumps({"type": BEAT, "server_time": format_time(now_ms())}))
            for message in messages:
                async with asyncio.timeout(SEND_S):
                    await socket.send_text(message.decode())
                spoke = now
            messages.clear()
            await asyncio.wait({listening}, timeout=LOOK_S)
        return CloseCode.NORMAL if listening.result()["type"] == "websocket.disconnect" else CloseCode.POLICY

    async def _load_all(self, asked: dict[str, Position | None]) -> list[bytes]:
        """Have every story loaded, as far as the position asked for it; what cannot be read now is tried again.

        Answers what else a client that asked must hear: which of its stories were deleted meanwhile.
        """
        try:
            slugs = {stored.story.slug for stored in await self._store.reads.stories()}
        except StoppressError:
            slugs = set(self._hub.feeds)
        wanted = sorted(slugs | asked.keys())
        gone: list[bytes] = []
        for start in range(0, len(wanted), READS):
            some = wanted[start : start + READS]
            found = await asyncio.gather(
                *(self._relay.reach(slug, asked.get(slug)) for slug in some), return_exceptions=True
            )
            for slug, feed in zip(some, found, strict=True):
                if isinstance(feed, StoryGoneError):
                    if asked.get(slug, (feed.epoch, feed.seq)) != (feed.epoch, feed.seq):
                        gone.append(_deleted(slug, feed))
                elif isinstance(feed, BaseException) and not isinstance(feed, StoppressError):
                    raise feed
        return gone

    def _owed(self, seen: dict[str, Position | None], is_first: bool) -> Iterator[bytes]:
        """What this client has not been sent; moves `seen`."""
        for slug, feed in list(self._hub.feeds.items()):
            position = seen.get(slug)
            if position == feed.position and not is_first:
                continue
            seen[slug] = feed.position
            for frame in _since(feed, position, is_first):
                yield b'{"slug":"%b",%b' % (slug.encode(), encode(frame)[1:])


def _since(feed: Feed, position: Position | None, is_first: bool) -> tuple[Frame, ...]:
    if position is None or position.epoch != feed.epoch or not feed.floor <= position.seq <= feed.seq:
        return feed.snapshot().frames
    resumed = feed.resumed(position.seq).frames
    return resumed if is_first else resumed[0].frames


def _deleted(slug: str, gone: StoryGoneError) -> bytes:
    story = {"slug": slug, "status": "deleted"}
    return orjson.dumps({"slug": slug, "type": STORY_DELETED, "epoch": gone.epoch, "seq": gone.seq, "story": story})


def _positions(message: dict[str, Any]) -> dict[str, Position | None] | None:
    """Of a resume message; None if it is not one. A position that is none asks for the snapshot."""
    text = message.get("text") or ""
    if len(text) > FIRST_BYTES:
        return None
    try:
        told = orjson.loads(text)
        given = told["positions"] if told["type"] == "resume" else None
        if not isinstance(given, dict):
            return None
        return {slug: Position.parse(str(held)) for slug, held in given.items() if SLUG.fullmatch(slug)}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
