"""Completion: the arguments that name a story, a post or a version, and what a shell may suggest for them.

It looks where the command itself would, for a second at most, and says nothing when nobody answers there. It never
starts a store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from .session import Place

WAIT_S = 1.0
POSTS = 100
Rows = list[tuple[str, str]]


def _slugs(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    async def rows(desk: Any) -> Rows:
        return [(story["slug"], story["headline"]) for story in await desk.stories()]

    return _found(ctx, begun, rows)


def _ids(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    async def rows(desk: Any) -> Rows:
        page = await desk.posts(ctx.params["slug"], "", POSTS)
        return [(post["id"], post["headline"]) for post in page["posts"]]

    return _found(ctx, begun, rows)


def _versions(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    async def rows(desk: Any) -> Rows:
        kept = await desk.revisions(ctx.params["slug"], ctx.params["id"])
        return [(str(post["version"]), post["headline"]) for post in kept if post["status"] == "published"]

    return _found(ctx, begun, rows)


STORY = click.argument("slug", shell_complete=_slugs)
SOME_STORY = click.argument("slug", required=False, shell_complete=_slugs)
POST = click.argument("id", shell_complete=_ids)
VERSION = click.argument("version", type=click.IntRange(1), shell_complete=_versions)


def _found(ctx: click.Context, begun: str, rows: Callable[[Any], Awaitable[Rows]]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from .output import line

    try:
        found = asyncio.run(_look(ctx.params, rows))
    except Exception:
        return []  # nothing may be said here: it would stand in the middle of what is typed
    return [CompletionItem(word, help=line(about) or None) for word, about in found if word.startswith(begun)]


async def _look(options: dict[str, Any], rows: Callable[[Any], Awaitable[Rows]]) -> Rows:
    from .session import Place

    place = Place.read(*(options.get(name) for name in ("url", "redis", "data_dir", "token")))
    opened = _far(place) if place.api else _near(place)
    async with asyncio.timeout(WAIT_S), opened as desk:
        return await rows(desk)


def _far(place: Place) -> AbstractAsyncContextManager[Any]:
    from ..desk.remote import RemoteDesk

    return aclosing(RemoteDesk(place.api, place.token, timeout_s=WAIT_S))


def _near(place: Place) -> AbstractAsyncContextManager[Any]:
    from ..desk.desk import Desk
    from ..store.store import Store

    settings = replace(place.settings, store_timeout_s=WAIT_S)

    @asynccontextmanager
    async def desk() -> AsyncIterator[Desk]:
        async with aclosing(await Store.open(settings, start=False)) as store:
            yield Desk(store)

    return desk()
