"""Whole stories in and out, as JSON Lines: the story first, then its posts in reading order, newest first.

Export, import elsewhere, export again: the same bytes. An import reads and checks the whole file before it stores
anything; what is wrong is named by line and rule. A post that is stored already with the same content is skipped, so
a rerun finishes an interrupted import. Readers get one snapshot at the end, not an event per post.
"""

from __future__ import annotations

import asyncio
import hashlib
from bisect import bisect_right
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from ..newsroom import text
from ..newsroom.errors import ConflictError, GoneError, InvalidError, NotFoundError
from ..newsroom.model import Post, Story, Totals, check_text, read
from ..newsroom.public import is_listed
from ..newsroom.times import format_time, parse_time
from .result import ImportReport

if TYPE_CHECKING:  # an import over HTTP checks its file here first, without a store
    from ..store.store import Store, StoredStory

LINE_BYTES = 1024 * 1024
SPOOL_BYTES = 16 * 1024 * 1024  # of an upload; more waits on disk
BATCH_POSTS = 200
BATCH_BYTES = 1024 * 1024
PAGE_POSTS = 200
_STORY_FIELDS = Story.__struct_fields__
_POST_FIELDS = Post.__struct_fields__


class StoryLine(Story, kw_only=True, forbid_unknown_fields=True):
    """Line 1. Its counts and address follow from where it is stored, so they are read and not kept."""

    url: str = ""
    status: Literal["upcoming", "live", "ended"] = "live"
    version: Annotated[int, Meta(ge=1)] = 1
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


# Out


async def export(store: Store, slug: str) -> AsyncIterator[bytes]:
    """The story and its posts, a line each, with every field but `url`; withdrawn posts too, deleted ones not."""
    held = await store.story(slug)
    totals = msgspec.to_builtins(held.totals)
    totals.pop("listed_count")
    yield orjson.dumps({"story": {**msgspec.to_builtins(held.story), **totals}}) + b"\n"
    async for post in _walk(store, slug):
        yield orjson.dumps(msgspec.to_builtins(post)) + b"\n"


async def _walk(store: Store, slug: str) -> AsyncIterator[Post]:
    before, has_more = "", True
    while has_more:
        posts, has_more = await store.page(slug, before, PAGE_POSTS)
        for post in posts:
            yield post
        if not posts:
            return
        before = posts[-1].id


# In


async def import_(
    store: Store,
    slug: str,
    lines: Iterable[bytes] | AsyncIterable[bytes],
    *,
    now: int,
    progress: Callable[[int, int], None] | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Store a file's posts under `slug`; the story too if its first line has it.

    `lines`: a file's lines, or its bytes in chunks as they come over a network.
    `progress(done, of)` is told after each batch. Raises InvalidError, ConflictError or NotFoundError, with `line`,
    and has stored nothing then. `dry_run` checks everything and stores nothing.
    """
    head, entries = await _checked(slug, lines)
    held = await _stored_story(store, slug)
    if held is None and head is None:
        raise NotFoundError(
            f"no story {slug!r}: create it first (stoppress story create {slug} --headline …), "
            "or import a file whose first line is the story"
        )
    if held and head:
        _same_story(held.story, head.story)
    known = await store.imported(slug, [entry.post.id for entry in entries]) if held else {}
    new = _not_stored(entries, known)
    taken = {parse_time(post.sort_time): post.id async for post in _walk(store, slug)} if held else {}
    place(entries, now, taken)
    if head and head.pinned and not any(entry.post.id == head.pinned for entry in entries):
        raise _at(1, "story.pinned_post_id", f"names post {head.pinned!r}, which is not in this file")
    report = ImportReport(len(new), len(entries) - len(new))
    if dry_run or (held and not new):
        return report
    await _store_all(store, slug, head, held, new, now, progress)
    return report


async def _checked(slug: str, lines: Iterable[bytes] | AsyncIterable[bytes]) -> tuple[Head | None, list[Entry]]:
    if not isinstance(lines, AsyncIterable):
        return await asyncio.to_thread(check_file, slug, lines)
    from tempfile import SpooledTemporaryFile

    with SpooledTemporaryFile(SPOOL_BYTES) as file:
        async for chunk in lines:
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        return await asyncio.to_thread(check_file, slug, lines_of(file))


async def _store_all(
    store: Store,
    slug: str,
    head: Head | None,
    held: StoredStory | None,
    new: list[Entry],
    now: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    was = held.totals if held else Totals()
    totals = Totals(version=was.version + 1, date_modified=format_time(now), pinned_post_id=was.pinned_post_id)
    if head:
        totals.version = max(head.version, was.version)
        totals.date_modified = head.date_modified or totals.date_modified
        totals.pinned_post_id = head.pinned or was.pinned_post_id
    done = 0
    batches = _batches(new)
    for batch in batches:
        last = batch is batches[-1]
        story = head.story if head and held is None and batch is batches[0] else None
        # The pin waits for the last batch: until then its post may not be there.
        now_totals = totals if last else msgspec.structs.replace(totals, pinned_post_id=was.pinned_post_id)
        posts = [entry.post for entry in batch]
        await store.import_batch(slug, story, now_totals, posts, [entry.created for entry in batch], last)
        done += len(batch)
        if progress:
            progress(done, len(new))


def _batches(entries: list[Entry]) -> list[list[Entry]]:
    """At least one, so that a story without posts is stored too."""
    batches: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        weight = len(entry.post.body) + len(entry.post.content_html) + len(entry.post.article_body) + 1000
        if batches[-1] and (len(batches[-1]) >= BATCH_POSTS or size + weight > BATCH_BYTES):
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += weight
    return batches


async def _stored_story(store: Store, slug: str) -> StoredStory | None:
    try:
        return await store.story(slug)
    except GoneError:
        raise GoneError(f"story {slug!r} was deleted and a slug never returns: import under another slug") from None
    except NotFoundError:
        return None


def _same_story(stored: Story, given: Story) -> None:
    differ = [name for name in _STORY_FIELDS if getattr(stored, name) != getattr(given, name)]
    if differ:
        raise ConflictError(
            f"line 1: story {stored.slug!r} is stored already with another {', '.join(differ)}: "
            "leave line 1 out to add the posts alone, or import under another slug",
            line=1,
        )


def _not_stored(entries: list[Entry], known: dict[str, tuple[Post, str]]) -> list[Entry]:
    """The entries that are new; those that are not take the stored place. Other content under an id is refused."""
    new = []
    for entry in entries:
        if entry.post.id not in known:
            new.append(entry)
            continue
        stored, created = known[entry.post.id]
        given = entry.post if entry.post.sort_time else msgspec.structs.replace(entry.post, sort_time=stored.sort_time)
        if entry.created != created and given != stored:
            gone = " and was deleted" if stored.status == "deleted" else ""
            raise ConflictError(
                f"line {entry.line}: id: {entry.post.id!r} is stored already with other content{gone}; "
                "give the post another id, or leave the line out",
                line=entry.line,
                field="id",
            )
        if is_listed(stored):
            entry.post.sort_time = stored.sort_time
    return new


# Checking a file


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, only enough for `check_file` to see that it is."""
    return iter(lambda: file.readline(LINE_BYTES + 2), b"")


def check_file(slug: str, lines: Iterable[bytes]) -> tuple[Head | None, list[Entry]]:
    """Everything that can be said of a file without the store. Reads it all; renders every body: run it in a thread.

    Raises InvalidError with `line`; its sentence starts with the line and names field and rule.
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
                    raise InvalidError("story", "may only stand in the first line")
                head = _read_story(slug, value)
                continue
            entry = _read_post(slug, value, number)
            if entry.post.id in seen:
                rule = f"{entry.post.id!r} stands in line {seen[entry.post.id]} already; an id names one post"
                raise InvalidError("id", rule)
        except InvalidError as error:
            raise _at(number, error.field, error.rule) from None
        seen[entry.post.id] = number
        entries.append(entry)
    if not head and not entries:
        raise InvalidError("", "the file is empty: nothing to import")
    return head, entries


def _at(line: int, field: str, rule: str) -> InvalidError:
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
    given = {name: getattr(line, name) for name in _STORY_FIELDS}
    return Head(Story(**{**given, "slug": slug}), line.version, line.date_modified, line.pinned_post_id or "")


def _read_post(slug: str, value: dict[str, Any], number: int) -> Entry:
    line = read(PostLine, value)
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


# Order


def place(entries: Sequence[Entry], now: int, taken: dict[int, str]) -> None:
    """Give each post without a `sort_time` one that keeps the file's order, whatever its dates say.

    Given ones stay (a tie moves down by 1 ms). A missing one takes the post's `date_published` where that fits
    between its neighbours, else 1 ms below the line above. `taken`: sort_time in ms → id, of posts stored already.
    """
    # A line's key is its time plus its number. Times that leave each line at least 1 ms below the one above are
    # then exactly keys that never rise down the file, and "1 ms below the line above" is "the same key".
    times = [parse_time(entry.post.sort_time) if entry.post.sort_time else None for entry in entries]
    fixed = [n for n, ms in enumerate(times) if ms is not None]
    bounds = [-1, *fixed, len(entries)]
    for above, below in pairwise(bounds):
        if below - above < 2:
            continue
        high = times[above] + above if above >= 0 else None  # type: ignore[operator]
        low = times[below] + below if below < len(entries) else None  # type: ignore[operator]
        if high is not None and low is not None and low > high:
            _no_room(entries, above, below)
        _fill(entries, times, above + 1, below, high, low, now)
    used = dict(taken)
    for entry, ms in zip(entries, times, strict=True):
        assert ms is not None
        while used.setdefault(ms, entry.post.id) != entry.post.id:
            ms -= 1
        entry.post.sort_time = format_time(ms)


def _fill(
    entries: Sequence[Entry],
    times: list[int | None],
    start: int,
    stop: int,
    high: int | None,
    low: int | None,
    now: int,
) -> None:
    """Times for the lines start..stop-1, which have none, with keys from `high` down to `low`."""
    dated = []
    for n in range(start, stop):
        date = entries[n].post.date_published
        key = min(parse_time(date), now) + n if date else None
        if key is not None and (high is None or key <= high) and (low is None or key >= low):
            dated.append((n, key))
    anchors = dict(_longest_falling(dated))
    key = high if high is not None else next(iter(anchors.values()), low if low is not None else now + start)
    for n in range(start, stop):
        key = anchors.get(n, key)
        times[n] = key - n


def _longest_falling(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of (line, key) whose keys never rise (patience sorting)."""
    tails: list[int] = []  # negated keys: bisect wants them rising
    at: list[int] = []
    before: list[int] = []
    for n, (_, key) in enumerate(points):
        k = bisect_right(tails, -key)
        before.append(at[k - 1] if k else -1)
        tails[k : k + 1] = [-key]
        at[k : k + 1] = [n]
    chosen, n = [], at[-1] if at else -1
    while n >= 0:
        chosen.append(points[n])
        n = before[n]
    return chosen[::-1]


def _no_room(entries: Sequence[Entry], above: int, below: int) -> None:
    high, low, line = entries[above], entries[below], entries[above + 1].line
    raise _at(
        line,
        "sort_time",
        f"is missing, and there is no room between {high.post.sort_time} (line {high.line}) and {low.post.sort_time} "
        f"(line {low.line}): lines go from newest to oldest, 1 ms apart at least; give it a sort_time",
    )
