"""Door: which readers are taken, into which feed, from which position. The same for WebSocket and SSE.

It never looks at an origin or a token: `web.guard` does, before a request comes here.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection

from ..hub.feed import Feed
from ..hub.position import Position
from ..newsroom.errors import BusyError, GoneError, NotFoundError, StoppressError
from .addresses import counted_as
from .parts import StreamParts
from .problems import in_time


def check(connection: HTTPConnection, parts: StreamParts) -> None:
    """What can be said before a story is looked up; raises BusyError."""
    hub = parts.hub
    if hub.is_draining:
        hub.counts.refuse("stopping")
        raise BusyError("This server is stopping; come back in a moment.", retry_after_s=1)
    if hub.is_full:
        hub.counts.refuse("full")
        raise BusyError("This server has as many readers as it takes; come back in a moment.", retry_after_s=5)
    most = parts.settings.address_readers
    if most and parts.pump.addresses.readers(counted_as(connection, parts.settings)) >= most:
        hub.counts.refuse("address")
        words = "Your address has as many readers here as it may; come back when one has left."
        raise BusyError(words, retry_after_s=30)


async def find(connection: HTTPConnection, parts: StreamParts, position: Position | None) -> Feed:
    """The story's feed, as far as the position if the store is; nothing may be awaited between this and `join`.

    Raises BusyError, NotFoundError, GoneError or StoreError.
    """
    slug = connection.path_params["slug"]
    relay, settings = parts.relay, parts.settings
    feed = relay.at_hand(slug)
    if feed is None or (position is not None and not feed.answers(position)):
        try:
            async with in_time(settings.store_timeout_s + 1):
                feed = await relay.reach(slug, position)
        except (NotFoundError, GoneError):
            raise
        except StoppressError:
            parts.hub.counts.refuse("store")
            raise
        # While it was read, others came in, or the drain began, which would miss this reader.
        check(connection, parts)
    if feed.deleted:
        raise GoneError(f"The story {slug} was deleted.")
    most = settings.story_readers
    if most and len(feed.readers) >= most:
        parts.hub.counts.refuse("story")
        words = "This story has as many readers as this server takes; come back in a moment."
        raise BusyError(words, retry_after_s=5)
    return feed
