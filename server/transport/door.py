"""Door: who may come in, to which feed, from which position. The same for WebSocket and SSE."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ..hub.feed import Feed
from ..hub.position import Position
from ..newsroom.errors import GoneError, NotFoundError, StoppressError
from .addresses import counted_as
from .pump import Pump


@dataclass(frozen=True, slots=True)
class Refusal:
    """`status` is HTTP's; `retry_after_s` 0 = coming back does not help."""

    status: int
    detail: str
    retry_after_s: int = 0


_STOPPING = Refusal(503, "This server is stopping; come back in a moment.", 1)


def check(connection: HTTPConnection) -> Refusal | None:
    """What can be said before a story is looked up; None = welcome."""
    state = connection.app.state
    settings, hub = state.settings, state.hub
    if not is_welcome(connection):
        hub.counts.refuse("origin")
        return Refusal(
            403, "This site does not allow pages of your origin; its operator lists them in STOPPRESS_ORIGINS."
        )
    if hub.is_draining:
        hub.counts.refuse("stopping")
        return _STOPPING
    if hub.is_full:
        hub.counts.refuse("full")
        return Refusal(503, "This server has as many readers as it takes; come back in a moment.", 5)
    most = settings.address_readers
    if most and Pump.of(state).addresses.readers(counted_as(connection)) >= most:
        hub.counts.refuse("address")
        return Refusal(503, "Your address has as many readers here as it may; come back when one has left.", 30)
    return None


def is_welcome(connection: HTTPConnection) -> bool:
    """Readers need no cookie, so any origin may read, unless the operator narrows it. No Origin: not a page."""
    settings = connection.app.state.settings
    if not settings.origins:
        return True
    # Two of them name no origin: together they are none that is allowed.
    origin = ", ".join(connection.headers.getlist("origin")).lower()
    if not origin or origin in settings.origins:
        return True
    # This site's own page, whatever name it was asked by; a proxy before us may speak TLS for us.
    own = {f"{scheme}://{connection.headers.get('host', '').lower()}" for scheme in ("http", "https")}
    return origin in own or f"{settings.public_url.lower()}/".startswith(origin + "/")


def cors(connection: HTTPConnection) -> dict[str, str]:
    """Headers for an answer to a page of another origin; call it after `check`. (Vary is the door's of the web.)"""
    if not connection.app.state.settings.origins:
        return {"Access-Control-Allow-Origin": "*"}
    origin = connection.headers.get("origin")
    return {"Access-Control-Allow-Origin": origin} if origin else {}


async def find(connection: HTTPConnection, position: Position | None) -> Feed | Refusal:
    """The story's feed, as far as the position if the store is; nothing may be awaited between this and `join`."""
    slug = connection.path_params["slug"]
    state = connection.app.state
    relay, hub, settings = state.relay, state.hub, state.settings
    try:
        feed = relay.at_hand(slug)
        if feed is None or (position is not None and not feed.answers(position)):
            async with asyncio.timeout(settings.store_timeout_s + 1):
                feed = await relay.reach(slug, position)
            # While it was read, others came in, or the drain began, which would miss this reader.
            if (refusal := check(connection)) is not None:
                return refusal
    except TimeoutError:
        hub.counts.refuse("store")
        return Refusal(503, "The store did not answer in time; come back in a moment.", 2)
    except NotFoundError as error:
        return Refusal(404, error.detail)
    except GoneError as error:
        return Refusal(410, error.detail)
    except StoppressError as error:
        hub.counts.refuse("store")
        return Refusal(503, error.detail, 2)
    if feed.deleted:
        return Refusal(410, f"The story {slug} was deleted.")
    most = settings.story_readers
    if most and len(feed.readers) >= most:
        hub.counts.refuse("story")
        return Refusal(503, "This story has as many readers as this server takes; come back in a moment.", 5)
    return feed
