"""Whole stories in and out, as JSON Lines: the story first, then its posts in reading order, newest first.

They never store a part of a file that is wrong somewhere.

Export, import elsewhere, export again: the same bytes. An import reads and checks the whole file before it stores
anything; what is wrong is named by line and rule. A post that is stored already with the same content is skipped, so
a rerun finishes an interrupted import. Readers get one snapshot at the end, not an event per post.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from threading import Event
from typing import TYPE_CHECKING

import msgspec
import orjson

from ..newsroom.errors import ConflictError, GoneError, InvalidError, NotFoundError, StoreError, TryAgainError
from ..newsroom.model import Post, Story, Totals
from ..newsroom.public import is_listed
from ..newsroom.rules import dated_by, not_in_the_future
from ..newsroom.times import format_time, parse_time
from .lines import STORY_FIELDS, Checked, Entry, Head, check_file, lines_of, together, wrong
from .order import place
from .result import ImportReport

if TYPE_CHECKING:  # an import over HTTP checks its file here first, without a store
    from ..store.store import Store, StoredStory

SPOOL_BYTES = 16 * 1024 * 1024  # of an upload; more waits on disk
BATCH_POSTS = 200
BATCH_BYTES = 1024 * 1024
PAGE_POSTS = 200
ATTEMPTS = 5
_DATES = ("date_published", "date_modified", "date_withdrawn")
NAMED_LOSSES = 5  # of a line that `strict` refuses
WARNINGS = 1000  # in a report; more are counted


# Out


async def export(store: Store, slug: str) -> AsyncIterator[bytes]:
    """The story and its posts, a line each, with every field but `url`; withdrawn posts too, deleted ones not.

    All of one moment, unless the story changes faster than it can be read; then each line is current for itself.
    """
    lines: list[bytes] = []
    for _ in range(ATTEMPTS):
        held = await store.reads.story(slug)
        totals = msgspec.to_builtins(held.totals)
        totals.pop("listed_count")
        lines = [orjson.dumps({"story": {**msgspec.to_builtins(held.story), **totals}}) + b"\n"]
        async for post in _walk(store, slug):
            lines.append(orjson.dumps(msgspec.to_builtins(post)) + b"\n")
        if (await store.log.top([slug]))[0] == (held.epoch, held.seq):
            break
    for line in lines:
        yield line


async def _walk(store: Store, slug: str) -> AsyncIterator[Post]:
    before, has_more = "", True
    while has_more:
        posts, has_more = await store.reads.page(slug, before, PAGE_POSTS)
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
    by: str = "",
    progress: Callable[[int, int], None] | None = None,
    dry_run: bool = False,
    strict: bool = False,
) -> ImportReport:
    """Store a file's posts under `slug`; the story too if its first line has it.

    `lines`: a file's lines, or its bytes in chunks as they come over a network.
    `progress(done, of)` is told after each batch, and with `of` 0 how many lines have been checked. `dry_run` checks
    everything and stores nothing; `strict` refuses a file of which something cannot be kept. `by`: who imports, kept
    with the revisions. Raises InvalidError, ConflictError or NotFoundError, with `line`, and has stored nothing then.
    """
    file = await _checked(slug, lines, progress)
    head, entries = file.head, file.entries
    if strict:
        _refuse_losses(entries)
    held = await _stored_story(store, slug)
    if held is None and head is None:
        raise NotFoundError(
            f"no story {slug!r}: create it first (stoppress story create {slug} --headline …), "
            "or import a file whose first line is the story"
        )
    if held and head:
        _same_story(held.story, head.story)
    _past(head, entries, format_time(now))
    known = await store.reads.imported(slug, [entry.post.id for entry in entries]) if held else {}
    new = await asyncio.to_thread(_not_stored, entries, known)
    taken = {parse_time(post.sort_time): post.id async for post in _walk(store, slug)} if held else {}
    await asyncio.to_thread(place, entries, now, taken)
    if head and head.pinned and not any(entry.post.id == head.pinned for entry in entries):
        raise wrong(1, "story.pinned_post_id", f"names post {head.pinned!r}, which is not in this file")
    warnings = [
        {"line": entry.line, "id": entry.post.id, "kind": note.kind, "text": note.text}
        for entry in entries
        for note in entry.notes
    ]
    more = max(0, len(warnings) - WARNINGS)
    report = ImportReport(len(new), len(entries) - len(new), warnings[:WARNINGS], more, file.ids)
    if dry_run or (held and not new):
        return report
    await _store_all(store, slug, head, held, new, _span(entries), by, progress)
    return report


def _past(head: Head | None, entries: list[Entry], at: str) -> None:
    """Refuse dates of what has not happened yet, as publishing does."""
    dates = [(1, "story.date_published", head.story.date_published)] if head else []
    dates += [(1, "story.date_modified", head.date_modified)] if head else []
    for entry in entries:
        post = entry.post
        dates += [(entry.line, name, getattr(post, name)) for name in _DATES]
        dates += [
            (entry.line, f"corrections[{n}].date_published", one.date_published)
            for n, one in enumerate(post.corrections)
        ]
    bad = []
    for line, name, date in dates:
        try:
            not_in_the_future(name, date, at)
        except InvalidError as error:
            bad.append(wrong(line, error.field, error.rule))
    if bad:
        raise together(bad)


def _span(entries: list[Entry]) -> tuple[str, str]:
    """When the first and when the last of the posts was published or changed; "" = nobody knows. The import itself is
    no news."""
    posts = [entry.post for entry in entries]
    dates = [date for post in posts for date in (post.date_published, post.date_modified) if date]
    return min(dates, default=""), max(dates, default="")


async def _checked(
    slug: str, lines: Iterable[bytes] | AsyncIterable[bytes], progress: Callable[[int, int], None] | None
) -> Checked:
    given_up = Event()

    def go_on(done: int, of: int) -> None:
        if given_up.is_set():  # nobody waits for the thread any more, but a process that ends would
            raise TryAgainError("the import was given up")
        if progress:
            progress(done, of)

    try:
        if not isinstance(lines, AsyncIterable):
            return await asyncio.to_thread(check_file, slug, lines, go_on)
        from tempfile import SpooledTemporaryFile

        with SpooledTemporaryFile(SPOOL_BYTES) as file:
            async for chunk in lines:
                await asyncio.to_thread(file.write, chunk)
            file.seek(0)
            return await asyncio.to_thread(check_file, slug, lines_of(file), go_on)
    finally:
        given_up.set()


def _refuse_losses(entries: list[Entry]) -> None:
    lost = []
    for entry in entries:
        if told := [note.text for note in entry.notes if not note.kept]:
            more = f"; and {len(told) - NAMED_LOSSES} more" if len(told) > NAMED_LOSSES else ""
            field = "body" if entry.post.body else "content_html"
            said = f"{'; '.join(told[:NAMED_LOSSES])}{more} (strict: nothing may be lost)"
            lost.append(wrong(entry.line, field, said))
    if lost:
        raise together(lost)


async def _store_all(
    store: Store,
    slug: str,
    head: Head | None,
    held: StoredStory | None,
    new: list[Entry],
    span: tuple[str, str],
    by: str,
    progress: Callable[[int, int], None] | None,
) -> None:
    earliest, newest = span
    was = held.totals if held else Totals()
    totals = Totals(version=was.version + 1, date_modified=newest, pinned_post_id=was.pinned_post_id)
    if head:
        totals.version = max(head.version, was.version)
        totals.date_modified = head.date_modified or newest
        totals.pinned_post_id = head.pinned or was.pinned_post_id
    story = head.story if head and not held else None
    story_was = held.story if held else None
    if story_was and not head and not was.listed_count:
        story = dated_by(story_was, earliest)
    done = 0
    batches = _batches(new)
    for batch in batches:
        last = batch is batches[-1]
        # The pin waits for the last batch: until then its post may not be there.
        now_totals = totals if last else msgspec.structs.replace(totals, pinned_post_id=was.pinned_post_id)
        posts = [entry.post for entry in batch]
        try:
            await store.changes.import_batch(
                slug, story, now_totals, posts, [entry.created for entry in batch], last, by, story_was
            )
            story = None  # with the first batch, all is said of it
        except StoreError as error:
            if not done:
                raise
            again = "do the same import again, it goes on where this one ended"
            raise TryAgainError(f"{done} of {len(new)} posts are stored, then: {error.detail}; {again}") from error
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
        return await store.reads.story(slug)
    except GoneError:
        raise GoneError(f"story {slug!r} was deleted and a slug never returns: import under another slug") from None
    except NotFoundError:
        return None


def _same_story(stored: Story, given: Story) -> None:
    differ = [name for name in STORY_FIELDS if getattr(stored, name) != getattr(given, name)]
    if differ:
        raise ConflictError(
            f"line 1: story {stored.slug!r} is stored already with another {', '.join(differ)}: "
            "leave line 1 out to add the posts alone, or import under another slug",
            line=1,
        )


def _not_stored(entries: list[Entry], known: dict[str, tuple[Post, str]]) -> list[Entry]:
    """The entries that are new; those that are not take the stored place. Other content under an id is refused."""
    new = []
    others = []
    for entry in entries:
        if entry.post.id not in known:
            new.append(entry)
            continue
        stored, created = known[entry.post.id]
        given = entry.post if entry.post.sort_time else msgspec.structs.replace(entry.post, sort_time=stored.sort_time)
        if entry.created != created and given != stored:
            gone = " and was deleted" if stored.status == "deleted" else ""
            rule = f"{entry.post.id!r} is stored already with other content{gone}"
            way_out = "give the post another id, or leave the line out"
            said = f"line {entry.line}: id: {rule}; {way_out}"
            others.append(ConflictError(said, line=entry.line, field="id"))
        if is_listed(stored):
            entry.post.sort_time = stored.sort_time
    if others:
        raise together(others)
    return new
