"""What readers load: the list of stories, a story, one post of it, the snapshot; and the words when there is nothing.

They never change anything, and never ask who is reading.

All come from the hub's memory. Only what lies further back than that is read from the store. A page says which
position it was made at, so the stream goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import Response

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.position import Position
from ..newsroom.errors import GoneError, InvalidError, NotFoundError, StoppressError, TryAgainError
from ..newsroom.events import SNAPSHOT, Snapshot, View
from ..newsroom.fields import POST_ID, SLUG
from ..newsroom.public import in_order, public_post, story_url, story_view
from ..settings import Settings
from ..store.relay import Relay
from ..store.store import Store
from ..transport.problems import headers_of, problem
from ..wire import inbound, native
from .assets import Assets, environment
from .caching import Made, content_hash, position_tag, tagged
from .format import install, this_year

HTML = "text/html"
AROUND = 20  # posts on each side of a permalink that lies further back
STEP = 20  # posts read at a time, for an imported one may be large
PAGE_POSTS_MAX = 100
# A page hears a beat at least every `beat_s` + 5 s; two of them, and this for the way, are a dead line.
BEAT_LATE_S, ON_THE_WAY_S = 5, 10
INDEX_S = 1.0
_DATA = ("/snapshot", "/events", "/feed.json", "/feed.atom", "/feed.rss")
_DATA_ROOTS = ("/stats", "/metrics", "/healthz", "/readyz", "/assets/", "/api")


@dataclass(slots=True)
class Shown:
    """A stretch of a story, newest first, and the position it was made at."""

    epoch: str
    seq: int
    story: View
    posts: list[View]
    has_more: bool
    pinned: View | None
    key_events: list[View]
    # Where newer posts are, as the query of their page; None = nothing is newer than these.
    newer: dict[str, str] | None = None

    def message(self) -> Snapshot:
        """As the snapshot (PROTOCOL, section 3)."""
        return {
            "type": SNAPSHOT,
            "epoch": self.epoch,
            "seq": self.seq,
            "story": self.story,
            "posts": self.posts,
            "has_more": self.has_more,
            "pinned": self.pinned,
            "key_events": self.key_events,
        }


class Pages:
    """The reader's side of the web. `clock`: milliseconds since 1970, for what is of this year."""

    def __init__(
        self, settings: Settings, store: Store, relay: Relay, assets: Assets, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self.clock = clock
        self._settings = settings
        self._store = store
        self._relay = relay
        self.assets = assets
        self.templates: Environment = environment(asset=assets.address, public_url=settings.public_url)
        install(self.templates)
        self.made = Made()
        self._index: tuple[float, list[dict[str, Any]]] = (float("-inf"), [])

    # Pages

    async def index(self, request: Request) -> Response:
        stories = await self._stories()
        now = self.clock()
        years = {this_year(now, story["time_zone"]) for story in stories}  # two, for some hours
        made_of = [stories, sorted(years), self.assets.version()]
        tag = f'W/"{content_hash(orjson.dumps(made_of))}"'
        template = self.templates.get_template("index.html")
        body = await self.made.get(("", tag), lambda: template.render(stories=stories, now_ms=now).encode())
        return tagged(request, tag, body, HTML)

    async def story(self, request: Request) -> Response:
        slug = slug_of(request)
        before = request.query_params.get("before", "")
        shown = await self._stretch(slug, before, self._settings.backlog)
        if before:
            # An empty page: what was older than `before` has gone since.
            shown.newer = await self._newer(slug, shown.posts[0]["id"]) if shown.posts else {}
        return await self._story_page(request, shown, "")

    async def permalink(self, request: Request) -> Response:
        slug, id = slug_of(request), request.path_params["id"]
        if not POST_ID.fullmatch(id):
            raise NotFoundError("There is no such post.")
        shown = await self._stretch(slug, "", self._settings.backlog)
        if all(post["id"] != id for post in shown.posts):
            shown = await self._around(slug, id, shown)
            shown.newer = await self._newer(slug, shown.posts[0]["id"])
        return await self._story_page(request, shown, id)

    async def snapshot(self, request: Request) -> Response:
        slug = slug_of(request)
        feed = await self._feed(slug)
        query = request.query_params
        least = number(query.get("min_seq"), "min_seq", 0, 2**53 - 1, default=0)
        if feed.seq < least:
            await self._relay.at_least(slug, Position(feed.epoch, least))
            feed = await self._feed(slug)
            if feed.seq < least:
                raise TryAgainError(f"min_seq: this hub is at {feed.state.seq} and has not heard of {least} yet")
        limit = number(query.get("limit"), "limit", 1, PAGE_POSTS_MAX, default=self._settings.backlog)
        before, after = query.get("before", ""), query.get("after", "")
        if before and after:
            raise InvalidError("after", "cannot be asked for together with before")
        state = feed.state
        if not ("limit" in query or before or after):
            tag = position_tag(state.epoch, state.seq)
            return tagged(request, tag, feed.snapshot().frames[0].form(native.encode), "application/json")
        tag = position_tag(state.epoch, state.seq, limit, before, after)

        async def make() -> bytes:
            shown = await (self._next_above(slug, after, limit) if after else self._stretch(slug, before, limit))
            return orjson.dumps(shown.message())

        # After an import every open page of the story asks for the same steps, at the same moment.
        return tagged(request, tag, await self.made.read((slug, tag, "snapshot"), make), "application/json")

    # Stretches of a story

    async def _feed(self, slug: str) -> Feed:
        feed = await self._relay.ensure(slug)
        if feed.deleted:
            raise GoneError("This story was removed.")
        return feed

    async def newest(self, slug: str) -> Shown:
        """What a snapshot holds, at this moment."""
        return await self._stretch(slug, "", self._settings.backlog)

    async def _stretch(self, slug: str, before: str, limit: int) -> Shown:
        """The newest posts, or those older than `before`."""
        feed = await self._feed(slug)
        snapshot = cast(Snapshot, feed.snapshot().frames[0].message)
        if limit < self._settings.backlog:
            snapshot = feed.state.snapshot(limit, self._settings.snapshot_bytes)
        shown = Shown(
            snapshot["epoch"],
            snapshot["seq"],
            snapshot["story"],
            snapshot["posts"],
            snapshot["has_more"],
            snapshot["pinned"],
            # The hub goes on folding events into its list of key events while a thread renders this one.
            list(snapshot["key_events"]),
        )
        if before or (limit > self._settings.backlog and shown.has_more):
            # Read after the position was taken: what is newer than it will come by the stream once more, and lose.
            if before and not POST_ID.fullmatch(before):
                raise InvalidError("before", "must be the id of a post")
            shown.posts, shown.has_more = await self._below(slug, before, limit, self._settings.snapshot_bytes)
        return shown

    async def _next_above(self, slug: str, after: str, limit: int) -> Shown:
        """The posts next above `after`, newest first; `has_more` tells of still newer ones."""
        if not POST_ID.fullmatch(after):
            raise InvalidError("after", "must be the id of a post")
        shown = await self.newest(slug)
        shown.posts, above = await self._above(slug, after, limit, self._settings.snapshot_bytes)
        shown.has_more = bool(above)
        return shown

    async def _around(self, slug: str, id: str, newest: Shown) -> Shown:
        """A post that is not among the newest, with its neighbours."""
        post = await self._store.reads.post(slug, id)
        if post.status == "deleted":
            raise GoneError("This post was removed.")
        if post.status not in ("published", "withdrawn"):
            raise NotFoundError("There is no such post.")
        room = self._settings.snapshot_bytes // 3
        older, newest.has_more = await self._below(slug, id, AROUND, room)
        newer, _ = await self._above(slug, id, AROUND, room)
        newest.posts = [*newer, public_post(slug, post), *older]
        return newest

    async def _newer(self, slug: str, id: str) -> dict[str, str] | None:
        """The query of the page that ends just above the post `id`."""
        posts, above = await self._above(slug, id, self._settings.backlog, self._settings.snapshot_bytes)
        return {"before": above} if above else {} if posts else None

    async def _below(self, slug: str, id: str, limit: int, room: int) -> tuple[list[dict[str, Any]], bool]:
        """The posts next below `id` ("" = the newest), and whether there are more: at most `limit` and, but for the
        first, `room` bytes."""
        shown: list[dict[str, Any]] = []
        more = True
        while more and len(shown) < limit:
            posts, more = await self._store.reads.page(slug, id, min(STEP, limit - len(shown)))
            for post in posts:
                told = public_post(slug, post)
                room -= len(orjson.dumps(told))
                if room < 0 and shown:
                    return shown, True
                shown.append(told)
                id = post.id
        return shown, more

    async def _above(self, slug: str, id: str, limit: int, room: int) -> tuple[list[dict[str, Any]], str]:
        """The posts next above `id`, newest first and bounded as below, and the id of the one above them, or ""."""
        shown: list[dict[str, Any]] = []
        more = True
        while more:
            posts, more = await self._store.reads.newer(slug, id, STEP)
            for post in reversed(posts):
                told = public_post(slug, post)
                room -= len(orjson.dumps(told))
                if len(shown) == limit or (room < 0 and shown):
                    return shown[::-1], post.id
                shown.append(told)
                id = post.id
        return shown[::-1], ""

    async def _story_page(self, request: Request, shown: Shown, focus_id: str) -> Response:
        slug = shown.story["slug"]
        sort = request.query_params.get("sort") or shown.story["default_sort"]
        if sort not in ("newest", "oldest"):
            raise InvalidError("sort", "must be newest or oldest")
        before = request.query_params.get("before", "") if not focus_id else ""
        now = self.clock()
        year = this_year(now, shown.story["time_zone"])
        tag = position_tag(shown.epoch, shown.seq, sort, before, focus_id, year, self.assets.version())

        def make() -> bytes:
            asked = {"sort": request.query_params["sort"]} if "sort" in request.query_params else {}
            older = shown.posts[-1]["id"] if shown.has_more and shown.posts else None
            context = {
                "story": shown.story,
                "posts": shown.posts if sort == "newest" else shown.posts[::-1],
                "pinned": shown.pinned,
                "key_events": shown.key_events,
                "epoch": shown.epoch,
                "seq": shown.seq,
                "sort": sort,
                "has_more": shown.has_more,
                "older_url": _address(slug, {"before": older, **asked}) if older else None,
                "newer_url": None if shown.newer is None else _address(slug, {**shown.newer, **asked}),
                "focus_id": focus_id,
                "focus": next((post for post in shown.posts if post["id"] == focus_id), None),
                "now_ms": now,
                "year": year,
                "limits": limits(self._settings),
            }
            return self.templates.get_template("story.html").render(context).encode()

        # The address too: links in the page keep what was asked for, though the tag may be the same.
        key = (slug, tag, str(request.query_params.get("sort")))
        return tagged(request, tag, await self.made.get(key, make), HTML)

    async def _stories(self) -> list[dict[str, Any]]:
        """The index, live first, read at most once a second; the last one known while the store is away."""
        read_at, stories = self._index
        if time.monotonic() - read_at > INDEX_S:
            try:
                held = await self._store.reads.stories()
            except StoppressError:
                if not stories:
                    raise
            else:
                views = [story_view(one.story, one.totals) for one in held if one.story.status != "deleted"]
                stories = in_order(views)
            self._index = (time.monotonic(), stories)
        return stories

    # When there is nothing

    def sorry(self, request: Request, error: StoppressError) -> Response:
        """An error as a page for people, or as a problem document where a program asks."""
        path = request.url.path
        if path.endswith(_DATA) or path.startswith(_DATA_ROOTS):
            return problem(error)
        title, text = _words(path, error)
        page = self.templates.get_template("message.html")
        link = {"href": "/", "words": "All live stories"}
        if "/posts/" in path and SLUG.fullmatch(slug := request.path_params.get("slug", "")):
            link = {"href": story_url(slug), "words": "Go to the live story"}
        body = page.render(status=error.status, title=title, text=text, link=link)
        return Response(body, error.status, headers_of(error), media_type=HTML)


def limits(settings: Settings) -> dict[str, int]:
    """What a page must know of this server: the largest step of `/snapshot`; how many `seen` it may say in which time
    (two fewer than are taken: the network bunches them); and after which silence its line is dead."""
    return {
        "page_posts": PAGE_POSTS_MAX,
        "seen": inbound.MESSAGES - 2,
        "seen_ms": inbound.WINDOW_MS,
        "silence_ms": round(1000 * (2 * (settings.beat_s + BEAT_LATE_S) + ON_THE_WAY_S)),
    }


def slug_of(request: Request) -> str:
    slug: str = request.path_params["slug"]
    if not SLUG.fullmatch(slug):
        raise NotFoundError("There is no story with this address.")
    return slug


def number(text: str | None, name: str, least: int, most: int, *, default: int) -> int:
    """A whole number of a query, or InvalidError that says what may stand there."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most):
        raise InvalidError(name, f"must be a whole number from {least} to {most}, not {text[:40]!r}")
    return int(text)


def _address(slug: str, query: dict[str, str]) -> str:
    return story_url(slug) + (f"?{urlencode(query)}" if query else "")


def _words(path: str, error: StoppressError) -> tuple[str, str]:
    what = "post" if "/posts/" in path else "story"
    if error.status == 404:
        if path.startswith("/live/"):
            return f"We cannot find this {what}", "The address may have a slip in it, or the link may be wrong."
        return "There is no such page", "The address may have a slip in it, or the link may be wrong."
    if error.status == 410:
        return f"This {what} was removed", "It was published here and has been taken down since."
    if error.status == 503:
        return "Back in a moment", "We cannot reach our archive just now. Please reload the page in a few seconds."
    if error.status >= 500:
        return "Something went wrong", "The mistake is ours and has been noted. Please reload the page."
    return error.title, error.detail
