"""A file of JSON Lines to import: read and checked line by line, without the store.

What is wrong is told as `line N: field: rule`. Bodies are rendered here, because that may fail too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import IO, Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from ..newsroom import text
from ..newsroom.errors import InvalidError
from ..newsroom.model import Post, Story, check_text, read

LINE_BYTES = 1024 * 1024
TELL_LINES = 500
STORY_FIELDS = Story.__struct_fields__
_POST_FIELDS = Post.__struct_fields__


class StoryLine(Story, kw_only=True, forbid_unknown_fields=True):
    """Line 1. Its counts and address follow from where it is stored, so they are read and not kept."""

    url: str = ""
    status: Literal["upcoming", "live", "ended"] = "live"
    version: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1
    post_count: int = 0
    listed_count: int = 0
    date_modified: str = ""
    pinned_post_id: str | None = None


class PostLine(Post, kw_only=True, forbid_unknown_fields=True):
    """Any other line. An `id` may be missing: one is made from the content, so that a rerun makes the same."""

    id: str = ""
    url: str = ""
    status: Literal["published", "withdrawn"] = "published"
    version: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1


@dataclass(slots=True)
class Entry:
    """A checked post of a file: where it stood, what it becomes, and the fingerprint of what was given."""

    line: int
    post: Post
    created: str


@dataclass(slots=True)
class Head:
    """The checked story of a file, and what is kept beside it."""

    story: Story
    version: int
    date_modified: str
    pinned: str


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, only enough for `check_file` to see that it is."""
    return iter(lambda: file.readline(LINE_BYTES + 2), b"")


def check_file(
    slug: str, lines: Iterable[bytes], progress: Callable[[int, int], None] | None = None
) -> tuple[Head | None, list[Entry]]:
    """Everything that can be said of a file without the store. Reads it all; renders every body: run it in a thread.

    `progress(lines, 0)` is told now and then. Raises InvalidError with `line`; its sentence starts with the line and
    names field and rule.
    """
    check_text("slug", slug)
    head: Head | None = None
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for number, raw in enumerate(lines, 1):
        try:
            value = _parse(raw, number)
            if value is None:
                continue
            if "story" in value:
                if head or entries:
                    raise InvalidError("story", "may only stand in the first line; a file holds one story")
                head = _read_story(slug, value)
                continue
            entry = _read_post(slug, value, number)
            if entry.post.id in seen:
                rule = f"{entry.post.id!r} stands in line {seen[entry.post.id]} already; an id names one post"
                raise InvalidError("id", rule)
        except InvalidError as error:
            raise wrong(number, error.field, error.rule) from None
        if progress and number % TELL_LINES == 0:
            progress(number, 0)
        seen[entry.post.id] = number
        entries.append(entry)
    if not head and not entries:
        raise InvalidError("", "the file is empty: nothing to import")
    return head, entries


def wrong(line: int, field: str, rule: str) -> InvalidError:
    """The error of one line; its sentence starts with the line, its members name both."""
    error = InvalidError(f"line {line}: {field}".removesuffix(": "), rule, line=line)
    error.extra["field"] = field
    return error


def _parse(raw: bytes, number: int) -> dict[str, Any] | None:
    raw = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip()
    if not raw:
        return None
    if len(raw) > LINE_BYTES:
        raise InvalidError("", f"is longer than {LINE_BYTES:,} bytes (1 MiB); a body may have 65,536 (64 KiB)")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidError("", f"is not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(value, dict):
        raise InvalidError("", 'must be a JSON object: {"story": {…}} or a post')
    return value


def _read_story(slug: str, value: dict[str, Any]) -> Head:
    others = value.keys() - {"story"}
    if others:
        raise InvalidError(min(others), "must not stand beside story; posts have lines of their own")
    fields = value["story"]
    if not isinstance(fields, dict):
        raise InvalidError("story", "must be a JSON object")
    try:
        line = read(StoryLine, {"slug": slug, **fields})
    except InvalidError as error:
        raise InvalidError(f"story.{error.field}", error.rule) from None
    given = {name: getattr(line, name) for name in STORY_FIELDS}
    return Head(Story(**{**given, "slug": slug}), line.version, line.date_modified, line.pinned_post_id or "")


def _read_post(slug: str, value: dict[str, Any], number: int) -> Entry:
    line = read(PostLine, value)
    for name in ("withdrawal_note", "date_withdrawn"):
        if line.status != "withdrawn" and getattr(line, name):
            raise InvalidError(name, "is for a withdrawn post; remove it, or give the post the status withdrawn")
    line.url = ""
    created = hashlib.sha256(orjson.dumps(msgspec.to_builtins(line), option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    if not line.id:
        line.id = "i" + hashlib.sha256(f"{slug} {created}".encode()).hexdigest()[:19]
    if line.body:
        line.content_html, line.article_body = text.render(line.body)
    elif line.content_html:
        line.content_html = text.clean(line.content_html)
        line.article_body = line.article_body or text.plain(line.content_html)
    elif line.article_body:
        paragraphs = line.article_body.split("\n\n")
        line.content_html = text.clean("".join(f"<p>{escape(words, quote=False)}</p>" for words in paragraphs))
    return Entry(number, Post(**{name: getattr(line, name) for name in _POST_FIELDS}), created)
