"""Following one story from here: the native stream's messages, from the store itself or from a server's WebSocket.

Both yield `snapshot` messages and events in order, without a gap and without a repeat; after a broken link they go on
from their position, or with a new snapshot where that cannot be proved. They end after `story.deleted`. Nothing is
printed here.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeGuard, cast
from urllib.parse import quote, urlencode

import orjson

from ..hub.position import Position
from ..newsroom.errors import GoneError, NotFoundError, StoppressError, StoreError, StoreRightsError
from ..newsroom.events import (
    BYE,
    RESET,
    RESUMED,
    SNAPSHOT,
    STORY_DELETED,
    Event,
    Message,
    Reset,
    Snapshot,
    is_event,
    read_event,
)
from ..store.channels import Patience
from ..store.store import Store
from ..tasks import Backoff, end
from ..wire.native import comes_back

CHECK_S = 2.0  # of silence, then the log's top is read: a second path, should a message have been lost
SILENT_S = 60.0  # PROTOCOL: a server says something every 25 s
PAUSES_S = (1.0, 2.0, 4.0, 5.0)
Notice = Callable[[str], None]
Messages = AsyncGenerator[Event | Snapshot, None]


async def follow_store(
    store: Store, slug: str, position: Position | None, tell: Notice, *, patience: Patience | None = None
) -> Messages:
    """From the store, through its channel; `tell` hears of broken links."""
    backoff = Backoff(PAUSES_S)
    while True:
        try:
            async with aclosing(_listen(store, slug, position, patience)) as messages:
                async for message in messages:
                    backoff.reset()
                    position = Position(message["epoch"], message["seq"])
                    yield message
                    if message["type"] == STORY_DELETED:
                        return
        except StoreRightsError:
            raise  # waiting gives nobody a right
        except (StoreError, TimeoutError) as error:
            if not backoff.failures:
                tell(f"the store is lost ({error or 'silence'}); trying again")
            await backoff.pause()
            await _revive(store)


async def _listen(store: Store, slug: str, position: Position | None, patience: Patience | None) -> Messages:
    """One hearing, to its end, which is an error."""
    channel = store.keys.channel(slug)
    async with store.channels.hear(channel, by=f"watch-{secrets.token_hex(8)}", patience=patience) as hearing:
        said: asyncio.Queue[bytes] = asyncio.Queue()
        listening = asyncio.create_task(hearing.listen(lambda _, message: said.put_nowait(message)))

        def over(task: asyncio.Task[Any]) -> None:
            if not task.cancelled():
                task.exception()  # looked at, should nobody be there to raise it to
            said.put_nowait(b"")

        listening.add_done_callback(over)
        try:
            # Only what is published after the confirmation is heard, so the state is read after it.
            found = await _missed(store, slug, position)
            while True:
                for message in found:
                    position = Position(message["epoch"], message["seq"])
                    yield message
                event = await _next(said)
                if listening.done():
                    await listening  # raises why
                if event and _follows(event, position):
                    found = [event]
                elif (await store.log.top([slug]))[0] != position:
                    found = await _missed(store, slug, position)
                else:
                    found = []
        finally:
            await end([listening])


async def _next(said: asyncio.Queue[bytes]) -> Event | Reset | None:
    """The event that is said next; None after a while of silence, or for what is no event."""
    try:
        async with asyncio.timeout(CHECK_S):
            return read_event(await said.get())
    except TimeoutError:
        return None


def _follows(event: Event | Reset, position: Position | None) -> TypeGuard[Event]:
    if not position or event["type"] == RESET:
        return False
    return event["epoch"] == position.epoch and event["seq"] == position.seq + 1


async def _missed(store: Store, slug: str, position: Position | None) -> Sequence[Event | Snapshot]:
    """What came after a position: the events, or a snapshot."""
    if position:
        events = await store.log.events(slug, position.epoch, position.seq)
        if events is not None:
            return events
    settings = store.settings
    state = await store.reads.load(slug, settings.backlog)
    return [state.snapshot(settings.backlog, settings.snapshot_bytes)]


async def _revive(store: Store) -> None:
    try:
        await store.server.revive()
    except StoppressError:
        return  # said again, with its reason, by the next attempt


async def follow_url(url: str, slug: str, position: Position | None, tell: Notice) -> Messages:
    """From a server's WebSocket; `tell` hears of broken links."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

    base = "ws" + url.removeprefix("http")
    backoff = Backoff(PAUSES_S)
    while True:
        query = f"?{urlencode({'epoch': position.epoch, 'seq': position.seq})}" if position else ""
        address = f"{base}/live/{quote(slug, safe='')}/ws{query}"
        retry_s, why = 0.0, ""
        try:
            # The server's beats tell more than pings: they come through its own loop.
            async with connect(address, proxy=None, ping_interval=None, max_size=64 * 1024 * 1024) as socket:
                while True:
                    async with asyncio.timeout(SILENT_S):
                        message: Message = orjson.loads(await socket.recv())
                    backoff.reset()
                    if message["type"] == BYE:
                        retry_s = message["retry_ms"] / 1000
                    for event in _events(message):
                        position = Position(event["epoch"], event["seq"])
                        yield event
                        if event["type"] == STORY_DELETED:
                            return
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
            if not comes_back(code):
                raise _refusal(slug, url, code - 4000) from None
            why = f"{url} closed the stream ({code})"
        except InvalidStatus as error:
            if error.response.status_code < 500:
                raise _refusal(slug, url, error.response.status_code) from None
            why = f"{url} answers {error.response.status_code}"
        except InvalidURI as error:
            raise StoreError(f"{url} is no address of a server: {error}") from None
        except (OSError, InvalidHandshake, EOFError) as error:
            # TimeoutError is an OSError: nothing heard for too long.
            why = f"{url} cannot be reached ({error or 'silence'})"
        if not backoff.failures:
            tell(f"{why}; trying again")
        await backoff.pause(retry_s)


def _events(message: Message) -> Sequence[Event | Snapshot]:
    """The snapshot or events in a message of the stream; others tell nothing of the story."""
    if message["type"] == RESUMED:
        return message["events"]
    if message["type"] == SNAPSHOT:
        return [message]
    return [cast(Event, message)] if is_event(message["type"]) else []


def _refusal(slug: str, url: str, status: int) -> StoppressError:
    if status == 404:
        return NotFoundError(f"there is no story {slug}")
    if status == 410:
        return GoneError(f"the story {slug} was deleted")
    return StoreError(f"{url} refuses the stream with {status}")
