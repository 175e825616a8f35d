"""`stoppress watch`: a story's events as they happen, a line each."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import click

from ..newsroom.errors import InvalidError
from ..newsroom.label import label
from .command import Taught
from .output import line, notice
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
@click.argument("slug")
@click.option("--last", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="First, the newest N.")
@click.option("--since", metavar="EPOCH:SEQ", help="Go on after this position instead.")
@JSON
@where
def watch(place: Place, slug: str, last: int, since: str | None, as_json: bool) -> None:
    """Follow the story SLUG until Ctrl-C. With --json, the native stream: a snapshot, then an event a line."""
    asyncio.run(_watch(place, slug, last, since, as_json))


async def _watch(place: Place, slug: str, last: int, since: str | None, as_json: bool) -> None:
    from ..hub.position import Position
    from .follow import follow_store, follow_url

    position = Position.parse(since) if since else None
    if since and position is None:
        raise InvalidError("since", "must be a position such as 5f3a9c01d2e4b6a8:41, as `watch --json` tells them")
    if place.api:
        await _print(follow_url(place.api, slug, position, notice), last, as_json)
        return
    async with place.store() as store:
        await _print(follow_store(store, slug, position, notice), last, as_json)


async def _print(messages: Any, last: int, as_json: bool) -> None:
    first = True
    async with aclosing(messages):
        async for message in messages:
            if as_json:
                tell_json(message)
            elif message["type"] == "snapshot":
                if first:
                    for post in reversed(message["posts"][:last]):
                        _tell(post.get("date_published", ""), post["status"], post["id"], _about(post))
                else:
                    notice("what happened in between is not known; going on from here")
            else:
                _tell_event(message)
            first = False


def _tell_event(event: dict[str, Any]) -> None:
    kind = event["type"].partition(".")[2]
    if "post" in event:
        _tell(event["at"], kind, event["post"]["id"], _about(event["post"]))
    elif "post_id" in event:
        _tell(event["at"], kind, event["post_id"], "")
    else:
        story = event["story"]
        _tell(event["at"], kind, story["slug"], f"{story['headline']} ({story['status']})")


def _about(post: dict[str, Any]) -> str:
    return str(post.get("withdrawal_note") or label(post))


def _tell(at: str, what: str, id: str, about: str) -> None:
    click.echo(line(f"{at[11:19] or '--:--:--'}Z {what:<9} {id:<10} {about}".rstrip()))
