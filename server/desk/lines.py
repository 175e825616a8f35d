"""A file of JSON Lines to import: read and checked line by line, without the store.

It never asks a store.

What is wrong is told as `line N: field: rule`, for up to 20 lines at once. Bodies are rendered here, because that may
fail too; what could not be kept of one is noted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Annotated, Any, Literal, TypeVar

import msgspec
import orjson
from msgspec import Meta, structs

from ..newsroom import text
from ..newsroom.errors import InvalidError, StoppressError
from ..newsroom.fields import POST_ID, Address, Moment, OneLine, PostId, check_slug
from ..newsroom.model import Post, Story, shows
from ..newsroom.public import post_url
from ..newsroom.record import read

LINE_BYTES = 1024 * 1024
TELL_LINES = 50  # checked in a tenth of a second or so
NAMED_LINES = 20
FOREIGN_ID_CHARS = 2_000
STORY_FIELDS = Story.__struct_fields__
_POST_FIELDS = Post.__struct_fields__
# How other systems name a post in its page: <a href="#post-17">, "#liveblog-entry-17", "#block-6543…".
_ANCHOR = re.compile(r"#(?:post-|block-|entry-|liveblog-entry-|comment-)?(.+)")
E = TypeVar("E", bound=StoppressError)


class StoryLine(Story, kw_only=True, forbid_unknown_fields=True):
    """Line 1. Its counts and address follow from where it is stored, so they are read and not kept."""

    url: Address = ""
    status: Literal["upcoming", "live", "ended"] = "live"
    version: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1
    post_count: int = 0
    listed_count: int = 0
    date_modified: Moment = ""
    pinned_post_id: OneLine | None = None


class PostLine(Post, kw_only=True, forbid_unknown_fields=True):
    """Any other line. An `id` may be missing: one is made from the content, so that a rerun makes the same."""

    id: PostId = ""
    url: Address = ""
    status: Literal["published", "withdrawn"] = "published"
    version: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1


@dataclass(slots=True)
class Entry:
    """A checked post of a file: where it stood, what it becomes, the fingerprint of what was given, what was lost."""

    line: int
    post: Post
    created: str
    notes: list[text.Note] = field(default_factory=list)


@dataclass(slots=True)
class Head:
    """The checked story of a file, and what is kept beside it."""

    story: Story
    version: int
    date_modified: str
    pinned: str


@dataclass(slots=True)
class Checked:
    """A whole file. `ids`: foreign ids → the ones they have here."""

    head: Head | None
    entries: list[Entry]
    ids: dict[str, str]


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, only enough for `check_file` to see that it is."""
    return iter(lambda: file.readline(LINE_BYTES + 2), b"")


def check_file(slug: str, lines: Iterable[bytes], progress: Callable[[int, int], None] | None = None) -> Checked:
    """Everything that can be said of a file without the store. Reads it all; renders every body: run it in a thread.

    `progress(lines, 0)` is told now and then. Raises InvalidError with `line`; its sentence starts with the line and
    names field and rule, and further bad lines follow in lines of their own.
    """
    check_slug("slug", slug)
    file = _File(slug)
    for number, raw in enumerate(lines, 1):
        with file.line(number):
            file.read(raw, number)
    for n, (number, line, created) in enumerate(file.posts, 1):
        with file.line(number):
            file.entries.append(_filled(line, number, created, file.resolve))
        if progress and n % TELL_LINES == 0:
            progress(n, 0)
    if file.wrong:
        raise together(sorted(file.wrong, key=lambda error: error.extra["line"]))
    if not file.head and not file.entries:
        raise InvalidError("", "the file is empty: nothing to import")
    return Checked(file.head, file.entries, file.ids)


def wrong(line: int, field: str, rule: str) -> InvalidError:
    """The error of one line; its sentence starts with the line, its members name both."""
    error = InvalidError(f"line {line}: {field}".removesuffix(": "), rule, line=line)
    error.extra["field"] = field
    return error


def together(errors: list[E]) -> E:
    """The first of the errors of several lines, saying the others too: up to 20, then how many more."""
    first = errors[0]
    if len(errors) > 1:
        named = errors[:NAMED_LINES]
        first.extra["lines"] = [{"line": error.extra["line"], "detail": error.detail} for error in named]
        more = len(errors) - len(named)
        if more:
            first.extra["more"] = more
        first.detail = "\n".join([*(error.detail for error in named), *([f"and {more} more"] if more else [])])
    return first


class _File:
    """What is known of a file while it is read. Two rounds: a link may name a post that stands further down."""

    def __init__(self, slug: str) -> None:
        self.head: Head | None = None
        self.posts: list[tuple[int, PostLine, str]] = []
        self.entries: list[Entry] = []
        self.wrong: list[InvalidError] = []
        self.ids: dict[str, str] = {}
        self._slug = slug
        self._lines: dict[str, int] = {}
        self._addresses: dict[str, str] = {}  # a post's id or address where it comes from → its id here
        self._number = 0

    def line(self, number: int) -> _File:
        self._number = number
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, InvalidError):
            return False
        self.wrong.append(wrong(self._number, error.field, error.rule))
        return True

    def read(self, raw: bytes, number: int) -> None:
        value = _parse(raw, number)
        if value is None:
            return
        if "story" in value:
            if self.head or self.posts or self.wrong:
                raise InvalidError("story", "may only stand in the first line; a file holds one story")
            self.head = self._read_story(value)
            return
        given, address = value.get("id"), value.get("url")
        line, created = self._read_post({**value, "id": self._own_id(given)} if "id" in value else value)
        if line.id in self._lines:
            rule = f"{line.id!r} stands in line {self._lines[line.id]} already; an id names one post"
            raise InvalidError("id", rule)
        self._lines[line.id] = number
        self._addresses |= {str(one): line.id for one in (given, address, line.id) if one}
        self.posts.append((number, line, created))

    def resolve(self, address: str) -> str | None:
        """Where on this site a link leads that names a post of this file."""
        found = self._addresses.get(address)
        if not found and (anchor := _ANCHOR.fullmatch(address)):
            found = self._addresses.get(address[1:]) or self._addresses.get(anchor.group(1))
        return post_url(self._slug, found) if found else None

    def _own_id(self, given: Any) -> Any:
        """A foreign id as one of ours, always the same: what is readable of it, and a hash of all of it."""
        if isinstance(given, int) and not isinstance(given, bool):
            given = str(given)
        if not isinstance(given, str) or POST_ID.fullmatch(given) or len(given) > FOREIGN_ID_CHARS:
            return given
        if not given or re.search(r"[\s\x00-\x1f\x7f]", given):
            return given
        readable = re.findall(r"[A-Za-z0-9_-]+", given)
        hashed = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self.ids[given] = f"{readable[-1][-40:]}-{hashed}".lstrip("-") if readable else hashed
        return self.ids[given]

    def _read_story(self, value: dict[str, Any]) -> Head:
        others = value.keys() - {"story"}
        if others:
            raise InvalidError(min(others), "must not stand beside story; posts have lines of their own")
        fields = value["story"]
        if not isinstance(fields, dict):
            raise InvalidError("story", "must be a JSON object")
        if fields.get("pinned_post_id") is not None:
            fields = {**fields, "pinned_post_id": self._own_id(fields["pinned_post_id"])}
        try:
            line = read(StoryLine, {"slug": self._slug, **fields})
        except InvalidError as error:
            raise InvalidError(f"story.{error.field}", error.rule) from None
        given = {name: getattr(line, name) for name in STORY_FIELDS}
        story = Story(**{**given, "slug": self._slug})
        return Head(story, line.version, line.date_modified, line.pinned_post_id or "")

    def _read_post(self, value: dict[str, Any]) -> tuple[PostLine, str]:
        line = read(PostLine, value)
        for name in ("withdrawal_note", "date_withdrawn"):
            if line.status != "withdrawn" and getattr(line, name):
                raise InvalidError(name, "is for a withdrawn post; remove it, or give the post the status withdrawn")
        line.url = ""
        created = hashlib.sha256(orjson.dumps(msgspec.to_builtins(line), option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
        if not line.id:
            line.id = "i" + hashlib.sha256(f"{self._slug} {created}".encode()).hexdigest()[:19]
        return line, created


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


def _filled(line: PostLine, number: int, created: str, resolve: Callable[[str], str | None]) -> Entry:
    """The post with everything that follows from what was given."""
    content = text.Content("", "")
    given = next((name for name in ("body", "content_html", "article_body") if getattr(line, name).strip()), "")
    if line.body:
        content = text.render(line.body)
        line.article_body = content.text
    elif line.content_html:
        content = text.take(line.content_html, resolve)
        line.article_body = line.article_body or content.text
    line.content_html = content.html or (text.from_lines(line.article_body) if not line.body else "")
    line.images, moved = text.with_pictures(line.images, content.images)
    notes = [*content.notes, *moved]
    post = Post(**{name: getattr(line, name) for name in _POST_FIELDS})
    seen = post if not post.content_html else structs.replace(post, article_body=text.plain(post.content_html))
    if not shows(seen):
        why = "; ".join(note.text for note in notes[:3])
        rule = "leaves nothing that can be shown" if given else "is missing, and so are text and images"
        raise InvalidError(given or "headline", f"{rule}{f': {why}' if why else ''}; leave the line out")
    return Entry(number, post, created, notes)
