"""Feeds of a story: JSON Feed 1.1, Atom (RFC 4287) with tombstones (RFC 6721), RSS 2.0.

They never hold the text of a post that was retracted.

All three hold what the snapshot holds. A post that was withdrawn keeps its place with its note in JSON Feed and RSS,
so that a reader who has the old text gets it replaced; in Atom it is a tombstone. Its text is in none of them.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Any

import orjson
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import Response

from ..newsroom.errors import StoreError
from ..newsroom.label import label
from ..newsroom.model import Post
from ..newsroom.times import parse_time
from ..store.store import Store
from .caching import position_tag, tagged
from .format import CORRECTION_NAMES, filled
from .origins import host_name
from .pages import Pages, Shown, slug_of

JSON = "application/feed+json"
ATOM = "application/atom+xml"
RSS = "application/rss+xml"
UNKNOWN = "1970-01-01T00:00:00Z"
STORIES = 1000  # whose tombstones are remembered
# Content is ours: sanitised, and written by one library in one way.
_SITE_PATH = re.compile(r'(<[^<>]*\s(?:href|src|cite)=")/(?!/)')
# XML 1.0, section 2.2: these two are no characters there, and a reader drops a feed that has them.
_NOT_XML = re.compile("[\ufffe\uffff]")


class Feeds:
    """The three feeds of every story."""

    def __init__(self, pages: Pages, store: Store, public_url: str) -> None:
        self._pages = pages
        self._store = store
        self._gone: dict[str, tuple[tuple[str, int], list[Post]]] = {}
        self._public_url = public_url
        self._templates: Environment = pages.templates
        self._templates.filters.update(rfc822=rfc822, xml=lambda text: _NOT_XML.sub("\ufffd", text or ""))

    async def json(self, request: Request) -> Response:
        shown, base = await self._shown(request)
        tag = position_tag(shown.epoch, shown.seq, "json", base)
        slug = shown.story["slug"]
        body = await self._pages.made.get((slug, tag), lambda: orjson.dumps(json_feed(shown, base)))
        return tagged(request, tag, body, JSON)

    async def atom(self, request: Request) -> Response:
        shown, base = await self._shown(request)
        return await self._xml(request, shown, base, "feed.atom", ATOM, gone=await self._deleted(shown))

    async def rss(self, request: Request) -> Response:
        shown, base = await self._shown(request)
        return await self._xml(request, shown, base, "feed.rss", RSS)

    async def _xml(
        self, request: Request, shown: Shown, base: str, name: str, media_type: str, **also: Any
    ) -> Response:
        tag = position_tag(shown.epoch, shown.seq, name, base)
        context = {
            **also,
            "story": shown.story,
            "posts": [filled(post) for post in shown.posts],
            "base": base,
            "here": f"{base}{shown.story['url']}/{name}",
            "urn": urn,
            "updated": updated,
            "content": lambda post: content(post, base),
        }
        template = self._templates.get_template(name)
        body = await self._pages.made.get((shown.story["slug"], tag), lambda: template.render(context).encode())
        return tagged(request, tag, body, media_type)

    async def _deleted(self, shown: Shown) -> list[Post]:
        """Tombstones of posts deleted lately, read once per change; the last ones known while the store is away."""
        slug, position = shown.story["slug"], (shown.epoch, shown.seq)
        known_at, gone = self._gone.pop(slug, (None, []))
        if known_at != position:
            with contextlib.suppress(StoreError):
                gone = await self._store.reads.deleted(slug)
        self._gone[slug] = (position, gone)
        while len(self._gone) > STORIES:
            del self._gone[next(iter(self._gone))]
        return gone

    async def _shown(self, request: Request) -> tuple[Shown, str]:
        return await self._pages.newest(slug_of(request)), self._base(request)

    def _base(self, request: Request) -> str:
        """Feeds are read elsewhere, so their addresses are whole: from the settings, else as asked."""
        if self._public_url:
            return self._public_url
        return str(request.base_url).rstrip("/") if host_name(request.headers) else ""


def urn(slug: str, post_id: str = "") -> str:
    """The name that stays when the site moves."""
    return f"urn:stoppress:live:{slug}" + (f":{post_id}" if post_id else "")


def updated(story: dict[str, Any], post: dict[str, Any] | None = None) -> str:
    """When a post, or the story, last changed. Atom wants a date everywhere (RFC 4287, 4.1.1 and 4.1.2): a post without
    one is as old as its story, and a story of which nothing is known as old as can be said."""
    if post:
        return post.get("date_modified") or post.get("date_published") or updated(story)
    return story["date_modified"] or story["coverage_end_time"] or story["coverage_start_time"] or UNKNOWN


def rfc822(at: str) -> str:
    return format_datetime(datetime.fromtimestamp(parse_time(at) / 1000, UTC), usegmt=True)


def json_feed(shown: Shown, base: str) -> dict[str, Any]:
    """https://www.jsonfeed.org/version/1.1/"""
    story = shown.story
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": story["headline"],
        "home_page_url": base + story["url"],
        "feed_url": f"{base}{story['url']}/feed.json",
        "description": story["description"],
        "language": story["language"],
        "authors": _authors(story["authors"], base),
        "expired": story["status"] == "ended",
        "items": [_item(post, story, base) for post in shown.posts],
        "_stoppress": {"position": f"{shown.epoch}:{shown.seq}", "status": story["status"]},
    }
    # "items" is an array always, one of a story without posts too.
    return {name: held for name, held in feed.items() if name == "items" or held not in ("", [])}


def _item(post: dict[str, Any], story: dict[str, Any], base: str) -> dict[str, Any]:
    images = post.get("images", [])
    html = content(post, base)
    item = {
        "id": urn(story["slug"], post["id"]),
        "url": base + post["url"],
        "title": post.get("headline", ""),
        "content_html": html,
        "content_text": "" if html else label(post),  # one of the two must be there
        "image": absolute(images[0]["url"], base) if images else "",
        "date_published": post.get("date_published", ""),
        "date_modified": post.get("date_modified", ""),
        "authors": _authors(post.get("authors") or _verbatim(post), base),
        "tags": post.get("keywords", []),
        "_stoppress": {"status": post["status"], "version": post["version"]},
    }
    return {name: held for name, held in item.items() if held not in ("", [])}


def _verbatim(post: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": post["byline"]}] if post.get("byline") else []


def _authors(people: list[dict[str, Any]], base: str) -> list[dict[str, str]]:
    return [
        {
            name: held
            for name, held in (
                ("name", person["name"]),
                ("url", absolute(person.get("url", ""), base)),
                ("avatar", absolute(person.get("image", ""), base)),
            )
            if held
        }
        for person in people
    ]


def absolute(url: str, base: str) -> str:
    return base + url if url.startswith("/") else url


def content(post: dict[str, Any], base: str) -> str:
    """A post as HTML that stands alone: pictures, text, corrections; of a withdrawn one, its note."""
    if post["status"] == "withdrawn":
        note = post.get("withdrawal_note", "")
        return "<p><strong>This post was withdrawn.</strong>" + (f" {escape(note)}" if note else "") + "</p>"
    parts = []
    if post.get("byline"):
        parts.append(f"<p>{escape(post['byline'])}</p>")
    for image in post.get("images") or []:
        size = "".join(f' {side}="{image[side]}"' for side in ("width", "height") if image.get(side))
        said = " ".join(escape(image[name]) for name in ("caption", "credit_text") if image.get(name))
        said = f"<figcaption>{said}</figcaption>" if said else ""
        alt = escape(image.get("alt", ""))
        parts.append(f'<figure><img src="{escape(absolute(image["url"], base))}" alt="{alt}"{size}>{said}</figure>')
    parts.append(_SITE_PATH.sub(lambda found: found.group(1) + base + "/", post.get("content_html", "")))
    for one in post.get("corrections") or []:
        parts.append(f"<p><strong>{CORRECTION_NAMES[one['kind']]}:</strong> {escape(one['text'])}</p>")
    if post.get("credit_note"):
        parts.append(f"<p>{escape(post['credit_note'])}</p>")
    return "".join(parts)
