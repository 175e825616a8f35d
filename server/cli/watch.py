"""`stoppress watch`: a story's events as they happen, a line each. It never changes anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import click

from ..newsroom.errors import InvalidError, NotFoundError
from ..newsroom.events import SNAPSHOT, Event, Snapshot
from ..newsroom.label import label
from . import visit
from .chronicle import Chronicle, Row
from .command import Taught, not_found
from .completion import STORY
from .output import line, moment, notice
from .session import JSON, Place, tell_json, where


@click.command(
    "watch",
    cls=Taught,
    examples="""
stoppress watch election-night
stoppress watch election-night --url https://news.example.org
stoppress watch election-night --json | jq -r 'select(.type == "post.published") | .post.headline'
stoppress watch election-night --since 5f3a9c01d2e4b6a8:41
""",
)
@STORY
@click.option("--last", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="First, the newest N.")
@click.option("--since", metavar="EPOCH:SEQ", help="Go on after this position instead.")
@JSON
@where
def watch(place: Place, slug: str, last: int, since: str | None, as_json: bool) -> None:
    """Follow the story SLUG until Ctrl-C: when, what happened, to which post, about what.

    Times are those of the story's own zone. With --json, the native stream: a snapshot, then an event a line.
    """
    from ..hub.position import Position

    position = Position.parse(since) if since else None
    if since and position is None:
        raise InvalidError("since", "must be a position such as 5f3a9c01d2e4b6a8:41, as `watch --json` tells them")
    tell = tell_json if as_json else _Lines(last).tell

    async def act(store: Any) -> None:
        from .follow import follow_store, follow_url

        if store is None:
            messages = follow_url(place.api, slug, position, notice)
        else:
            messages = follow_store(store, slug, position, notice)
        async with aclosing(messages):
            async for message in messages:
                with visit.at_once():
                    tell(message)

    try:
        visit.look(lambda: _opened(place), act)
    except NotFoundError as missing:
        raise not_found(_guessed(place, slug) or missing) from None


def _guessed(place: Place, slug: str) -> NotFoundError | None:
    """The same error as the desk puts it, which may guess what was meant; None where it is not to be asked."""
    if place.api and not place.token:
        return None
    try:
        visit.look(place.desk, lambda desk: desk.story(slug))
    except NotFoundError as error:
        return error
    return None


@asynccontextmanager
async def _opened(place: Place) -> AsyncIterator[Any]:
    """The store, unless a server is followed."""
    if place.api:
        yield None
    else:
        async with place.store() as store:
            yield store


class _Lines:
    """The messages for people: of the first snapshot the newest `last` posts, then a line for each event."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._chronicle = Chronicle()
        self._messages = 0

    def tell(self, message: Event | Snapshot) -> None:
        self._messages += 1
        if message["type"] != SNAPSHOT:
            self._tell(self._chronicle.row(message))
            return
        self._chronicle.begin(message)
        if self._messages > 1:
            notice("what happened in between is not known; going on from here")
            return
        for post in reversed(message["posts"][: self._last]):
            about = str(post.get("withdrawal_note") or label(post))
            self._tell((post.get("date_published", ""), post["status"], post["id"], about))

    def _tell(self, row: Row) -> None:
        at, what, id, about = row
        clock = moment(at, self._chronicle.zone).partition(" ")[2] if at else "–"
        click.echo(line(f"{clock}  {what:<9}  {id}  {about}".rstrip()))
