"""Following one story from here: the native stream's messages, from the store itself or from a server's WebSocket.

Both yield `snapshot` messages and events in order, without a gap and without a repeat; after a broken link they go on
from their position, or with a new snapshot where that cannot be proved. They end after `story.deleted`. Nothing is
printed here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from ..hub.position import Position
from ..newsroom.errors import GoneError, NotFoundError, StoppressError, StoreError, StoreRightsError
from ..newsroom.events import RESET, STORY_DELETED
from ..store.store import Store

CHECK_S = 2.0  # of silence, then the log's top is read: a channel may be deaf without a word
SILENT_S = 60.0  # PROTOCOL: a server says something every 25 s
PAUSE_S = (0.5, 5.0)
Notice = Callable[[str], None]
Messages = AsyncGenerator[dict[str, Any], None]


async def follow_store(store: Store, slug: str, position: Position | None, tell: Notice) -> Messages:
    """From the store, through its channel; `tell` hears of broken links."""
    failures = 0
    while True:
        try:
            subscriber = store.link.subscriber()
            try:
                with store.link.ours(store.keys.channel(slug)):
                    async with aclosing(_listen(store, subscriber, slug, position)) as messages:
                        async for message in messages:
                            failures = 0
                            position = Position(message["epoch"], message["seq"])
                            yield message
                            if message["type"] == STORY_DELETED:
                                return
            finally:
                await subscriber.aclose()
                await subscriber.connection_pool.aclose()
        except StoreRightsError:
            raise  # waiting gives nobody a right
        except (StoreError, TimeoutError) as error:
            failures += 1
            await _pause(failures, f"the store is lost ({error or 'silence'}); trying again", tell)
            await _revive(store)


async def _listen(store: Store, subscriber: Any, slug: str, position: Position | None) -> Messages:
    async with subscriber.pubsub() as channel:
        await channel.subscribe(store.keys.channel(slug))
        # Only what is published after the confirmation is heard, so the state is read after it.
        await channel.get_message(timeout=store.settings.store_timeout_s)
        found = await _missed(store, slug, position)
        while True:
            for message in found:
                position = Position(message["epoch"], message["seq"])
                yield message
            heard = await _hear(channel)
            if _is_next(heard, position):
                found = [heard]
            elif (await store.top([slug]))[0] != position:
                found = await _missed(store, slug, position)
            else:
                found = []


async def _hear(channel: Any) -> dict[str, Any]:
    """What the channel says; after a while of silence, or of something that is no message, an empty one."""
    async with asyncio.timeout(CHECK_S + 5):
        told = await channel.get_message(ignore_subscribe_messages=True, timeout=CHECK_S)
    try:
        heard = orjson.loads(told["data"]) if told else {}
    except orjson.JSONDecodeError:
        heard = {}
    return heard if isinstance(heard, dict) else {}


def _is_next(heard: dict[str, Any], position: Position | None) -> bool:
    if not position or heard.get("type", RESET) == RESET:
        return False
    return bool(heard["epoch"] == position.epoch and heard["seq"] == position.seq + 1)


async def _missed(store: Store, slug: str, position: Position | None) -> list[dict[str, Any]]:
    """What came after a position: the events, or a snapshot."""
    if position:
        events = await store.events(slug, position.epoch, position.seq)
        if events is not None:
            return events
    settings = store.settings
    state = await store.load(slug, settings.backlog)
    return [state.snapshot(settings.backlog, settings.snapshot_bytes)]


async def _revive(store: Store) -> None:
    try:
        await store.link.revive()
    except StoppressError:
        return  # said again, with its reason, by the next attempt


async def follow_url(url: str, slug: str, position: Position | None, tell: Notice) -> Messages:
    """From a server's WebSocket; `tell` hears of broken links."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

    base = "ws" + url.removeprefix("http")
    failures = 0
    while True:
        query = f"?{urlencode({'epoch': position.epoch, 'seq': position.seq})}" if position else ""
        address = f"{base}/live/{quote(slug, safe='')}/ws{query}"
        retry_s, why = 0.0, ""
        try:
            # The server's beats tell more than pings: they come through its own loop.
            async with connect(address, proxy=None, ping_interval=None, max_size=64 * 1024 * 1024) as socket:
                while True:
                    async with asyncio.timeout(SILENT_S):
                        message: dict[str, Any] = orjson.loads(await socket.recv())
                    failures = 0
                    if message["type"] == "bye":
                        retry_s = message["retry_ms"] / 1000
                    for told in _events(message):
                        position = Position(told["epoch"], told["seq"])
                        yield told
                        if told["type"] == STORY_DELETED:
                            return
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
            if code in (4404, 4410):
                raise _gone(slug, code) from None
            why = f"{url} closed the stream ({code})"
        except InvalidStatus as error:
            if error.response.status_code in (404, 410):
                raise _gone(slug, error.response.status_code) from None
            if error.response.status_code < 500:
                raise StoreError(f"{url} refuses the stream with {error.response.status_code}") from None
            why = f"{url} answers {error.response.status_code}"
        except InvalidURI as error:
            raise StoreError(f"{url} is no address of a server: {error}") from None
        except (OSError, InvalidHandshake, EOFError) as error:
            # TimeoutError is an OSError: nothing heard for too long.
            why = f"{url} cannot be reached ({error or 'silence'})"
        failures += 1
        await _pause(failures, f"{why}; trying again", tell, retry_s)


def _events(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The snapshot or events in a message of the stream; others tell nothing of the story."""
    if message["type"] == "resumed":
        events: list[dict[str, Any]] = message["events"]
        return events
    return [message] if message["type"] == "snapshot" or message["type"].startswith(("post.", "story.")) else []


def _gone(slug: str, code: int) -> StoppressError:
    if code in (404, 4404):
        return NotFoundError(f"there is no story {slug}")
    return GoneError(f"the story {slug} was deleted")


async def _pause(failures: int, why: str, tell: Notice, retry_s: float = 0.0) -> None:
    if failures == 1:
        tell(why)
    least, most = PAUSE_S
    # Full jitter: those who lost the same server do not come back as one.
    await asyncio.sleep(retry_s or random.uniform(0, min(most, least * 2**failures)))
