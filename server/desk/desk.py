"""The Desk: every editorial operation, for the command line and the API alike.

It never decides what becomes of a post (`newsroom.rules` does), and never names a key of the store.

It reads what is stored, lets `newsroom.rules` decide, and hands the decision to the store's script, which carries it
out only if the versions it was decided on still stand; else the Desk reads and decides again. A long body is
rendered in a thread, off the hub's loop. Every change takes a `key`: told again, it answers what it answered first.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, structs

from ..clock import now_ms
from ..newsroom import rules, text
from ..newsroom.errors import ConflictError, GoneError, InvalidError, NotFoundError, VersionError
from ..newsroom.fields import check_slug
from ..newsroom.model import Change, Correction, Post, PostDraft, PostPatch, StoryDraft, StoryPatch, Withdrawal
from ..newsroom.public import full_post, story_view
from ..newsroom.record import read
from ..store.store import Committed, StaleStoryError, Store, StoredStory
from . import guess
from .reading import Reading
from .result import ImportReport, Result

INLINE = 1000  # characters of a body that are rendered at once
# Each round is lost only to another editor's change of the same post or story, so nobody loses many.
ROUNDS = 50
KEY = re.compile(r"[!-~]{1,128}")
_ID_LENGTH = 10
_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0/o, 1/l/i: ids are read aloud and typed


def make_id() -> str:
    """One draw from the system for all ten letters, each as likely: all numbers below 31 ** 10 are."""
    number = secrets.randbelow(len(_ID_LETTERS) ** _ID_LENGTH)
    letters = []
    for _ in range(_ID_LENGTH):
        number, letter = divmod(number, len(_ID_LETTERS))
        letters.append(_ID_LETTERS[letter])
    return "".join(letters)


def digest(*parts: Any) -> str:
    """Fingerprint of a request: equal requests, equal text."""
    try:
        told = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # what a shell passes on may be no UTF-8, and a version may have any length
        raise InvalidError("", "the request holds text that is not UTF-8, or a number beyond 64 bits") from None
    return hashlib.sha256(told).hexdigest()[:32]


class Desk(Reading):
    """`actor`: who makes the changes, for editors to see beside each revision ("" = not known); no reader is told.
    `clock` gives milliseconds since 1970; `new_id` a fresh post id.
    """

    def __init__(
        self,
        store: Store,
        *,
        actor: str = "",
        clock: Callable[[], int] = now_ms,
        new_id: Callable[[], str] = make_id,
    ) -> None:
        super().__init__(store)
        self.actor = actor
        self._clock = clock
        self._new_id = new_id

    def of(self, actor: str) -> Desk:
        """The same desk with somebody else at it."""
        return Desk(self.store, actor=actor, clock=self._clock, new_id=self._new_id)

    # Stories

    async def create_story(self, draft: dict[str, Any], *, key: str = "") -> Result:
        made = read(StoryDraft, draft)
        asked = digest("create_story", msgspec.to_builtins(made))
        if replay := await self._answer(made.slug, key, asked):
            return replay
        change = rules.create_story(made, self._clock())
        return await self._commit(made.slug, change, key, asked)

    async def edit_story(self, slug: str, patch: dict[str, Any], *, expect: int | None = None, key: str = "") -> Result:
        made = read(StoryPatch, patch)

        async def decide() -> Change | Committed:
            held = await self._story(slug)
            _expected(f"story {slug}", expect, held.totals.version)
            pinned = None
            if isinstance(made.pinned_post_id, str):
                if not made.pinned_post_id:
                    raise InvalidError("pinned_post_id", "must be the id of a post, or null to unpin")
                pinned = await self._listed(slug, made.pinned_post_id)
            change = rules.edit_story(held.story, made, self._clock(), pinned)
            if change.story == held.story and change.pin in (None, held.totals.pinned_post_id or ""):
                return _unchanged(held)
            return change

        return await self._change(slug, decide, key, digest("edit_story", patch, expect))

    async def delete_story(self, slug: str, *, expect: int | None = None, key: str = "") -> Result:
        async def decide() -> Change:
            held = await self._story(slug)
            _expected(f"story {slug}", expect, held.totals.version)
            return rules.delete_story(held.story, self._clock())

        return await self._change(slug, decide, key, digest("delete_story", expect))

    async def pin(self, slug: str, id: str, *, key: str = "") -> Result:
        return await self.edit_story(slug, {"pinned_post_id": id}, key=key)

    async def unpin(self, slug: str, *, key: str = "") -> Result:
        return await self.edit_story(slug, {"pinned_post_id": None}, key=key)

    # Posts

    async def publish(self, slug: str, draft: dict[str, Any], *, key: str = "") -> Result:
        check_slug("slug", slug)
        made = read(PostDraft, draft)
        rules.body_or_html(made.body, made.content_html)
        created = digest(_as_asked(made))
        asked = digest("publish", created)
        replay = await self._answer(slug, key, asked)
        content = await self._render(made.body, made.content_html)
        made.images, moved = text.with_pictures(made.images, content.images)
        warnings = _warnings(content.notes, moved)
        if replay:
            return replace(replay, warnings=warnings)
        id = made.id or self._new_id()
        change = rules.publish(made, id=id, html=content.html, text=content.text, now=self._clock(), created=created)
        try:
            return replace(await self._commit(slug, change, key, asked), warnings=warnings)
        except NotFoundError:
            raise await guess.no_story(self.store, slug) from None

    async def edit(
        self, slug: str, id: str, patch: dict[str, Any], *, expect: int | None = None, key: str = ""
    ) -> Result:
        made = read(PostPatch, patch)
        rules.body_or_html(made.body, made.content_html)
        body, html = made.body or "", made.content_html or ""
        is_new = made.body is not UNSET or made.content_html is not UNSET
        content = await self._render(body, html) if is_new else text.Content("", "")
        moved: list[text.Note] = []

        def decide(post: Post) -> Change | None:
            asked = made
            if content.images:
                if made.images is UNSET:
                    images, moved[:] = text.instead_of(post.images, content.images)
                else:
                    images, moved[:] = text.with_pictures(made.images, content.images)
                asked = structs.replace(made, images=images)
            kept = content if is_new else post
            said = kept.html if isinstance(kept, text.Content) else kept.content_html
            words = kept.text if isinstance(kept, text.Content) else kept.article_body
            return rules.edit(post, asked, html=said, text=words, now=self._clock())

        result = await self._change_post(slug, id, decide, expect, key, digest("edit", id, patch, expect))
        return replace(result, warnings=_warnings(content.notes, moved))

    async def withdraw(self, slug: str, id: str, note: str, *, expect: int | None = None, key: str = "") -> Result:
        read(Withdrawal, {"note": note})
        return await self._change_post(
            slug,
            id,
            lambda post: rules.withdraw(post, note, self._clock()),
            expect,
            key,
            digest("withdraw", id, note, expect),
        )

    async def delete(
        self, slug: str, id: str, *, purge: bool = False, expect: int | None = None, key: str = ""
    ) -> Result:
        return await self._change_post(
            slug,
            id,
            lambda post: rules.delete(post, self._clock(), purge=purge),
            expect,
            key,
            digest("delete", id, purge, expect),
        )

    async def correct(
        self,
        slug: str,
        id: str,
        text: str,
        kind: str = "correction",
        *,
        expect: int | None = None,
        key: str = "",
    ) -> Result:
        said = read(Correction, {"text": text, "kind": kind})
        return await self._change_post(
            slug,
            id,
            lambda post: rules.correct(post, said, self._clock()),
            expect,
            key,
            digest("correct", id, text, kind, expect),
        )

    async def restore(self, slug: str, id: str, *, expect: int | None = None, key: str = "") -> Result:
        async def decide() -> Change:
            post = await self._post(slug, id)
            _expected(f"post {id}", expect, post.version)
            kept = [one.post for one in await self.store.reads.revisions(slug, id) if one.post.status == "published"]
            if post.status == "deleted" and not kept:
                raise GoneError(f"post {id} was purged; nothing is left to restore")
            return rules.restore(post, kept[-1] if kept else post, self._clock())

        return await self._change(slug, decide, key, digest("restore", id, expect))

    async def revert(self, slug: str, id: str, version: int, *, expect: int | None = None, key: str = "") -> Result:
        async def decide() -> Change | Committed:
            post = await self._post(slug, id)
            _expected(f"post {id}", expect, post.version)
            old = await self.store.reads.revision(slug, id, version)
            if old.status != "published":
                raise ConflictError(f"version {version} of post {id} is {old.status}; revert to a published version")
            return rules.revert(post, old, self._clock()) or await self._as_stored(slug, post)

        return await self._change(slug, decide, key, digest("revert", id, version, expect))

    # Whole stories (`transfer.py`, imported by the first of them: it and what it needs are longer than the desk)

    async def export(self, slug: str) -> AsyncIterator[bytes]:
        """JSON Lines: the story, then its posts in reading order."""
        from . import transfer

        await self._story(slug)
        async for line in transfer.export(self.store, slug):
            yield line

    async def import_(
        self,
        slug: str,
        lines: Iterable[bytes] | AsyncIterable[bytes],
        progress: Callable[[int, int], None] | None = None,
        *,
        dry_run: bool = False,
        strict: bool = False,
    ) -> ImportReport:
        """Checks every line before it stores any; `progress(stored, of)` after each batch, `progress(lines, 0)` before.

        `lines`: a file's, or its bytes in chunks as they come over a network. `strict`: refuse what cannot be kept.
        """
        from . import transfer

        now, by = self._clock(), self.actor
        try:
            return await transfer.import_(
                self.store, slug, lines, now=now, by=by, progress=progress, dry_run=dry_run, strict=strict
            )
        except NotFoundError as error:
            raise await guess.no_story(self.store, slug, error.detail) from None

    # How a change is made

    async def _change_post(
        self,
        slug: str,
        id: str,
        decide: Callable[[Post], Change | None],
        expect: int | None,
        key: str,
        asked: str,
    ) -> Result:
        async def on_stored() -> Change | Committed:
            post = await self._post(slug, id)
            _expected(f"post {id}", expect, post.version)
            return decide(post) or await self._as_stored(slug, post)

        return await self._change(slug, on_stored, key, asked)

    async def _change(
        self, slug: str, decide: Callable[[], Awaitable[Change | Committed]], key: str, asked: str
    ) -> Result:
        """Decide and commit until nobody was faster; a `key` heard before is answered first of all."""
        if replay := await self._answer(slug, key, asked):
            return replay
        for _ in range(ROUNDS):
            decided = await decide()
            if isinstance(decided, Committed):
                return await self._told(slug, await self.store.changes.settle(slug, key, asked, decided))
            try:
                return await self._commit(slug, decided, key, asked)
            except (StaleStoryError, VersionError):
                continue
        raise ConflictError(f"{slug} is being changed faster than this change can be decided; try it again")

    async def _commit(self, slug: str, change: Change, key: str, asked: str) -> Result:
        done = await self.store.changes.commit(slug, change, by=self.actor, key=key, fingerprint=asked)
        return await self._told(slug, done)

    async def _answer(self, slug: str, key: str, asked: str) -> Result | None:
        check_slug("slug", slug)
        if not key:
            return None
        if not KEY.fullmatch(key):
            raise InvalidError("Idempotency-Key", "must be 1 to 128 visible ASCII characters without spaces")
        replay = await self.store.changes.answer(slug, key, asked)
        return await self._told(slug, replay) if replay else None

    async def _told(self, slug: str, done: Committed) -> Result:
        if done.post is not None:
            value = full_post(slug, done.post)
        elif done.story is None or done.story.status == "deleted":
            value = {"slug": slug, "status": "deleted"}
        else:
            value = story_view(done.story, done.totals)
        return Result(value, not done.replayed, f"{done.epoch}:{done.seq}")

    async def _as_stored(self, slug: str, post: Post) -> Committed:
        return _unchanged(await self._story(slug), post)

    async def _render(self, body: str, html: str) -> text.Content:
        given, made = (html, text.take) if html else (body, text.render)
        if not given:
            return text.Content("", "")
        # A thread costs more than a short text, and a nasty one of this length takes no longer than a turn of threads.
        return made(given) if len(given) <= INLINE else await asyncio.to_thread(made, given)


def _as_asked(draft: PostDraft) -> dict[str, Any]:
    """For its fingerprint. A field that came later counts only if it is used: older fingerprints stay right."""
    asked: dict[str, Any] = msgspec.to_builtins(draft)
    if not draft.content_html:
        del asked["content_html"]
    return asked


def _warnings(*notes: list[text.Note]) -> tuple[str, ...]:
    return tuple(note.text for some in notes for note in some)


def _unchanged(held: StoredStory, post: Post | None = None) -> Committed:
    return Committed(held.epoch, held.seq, post, True, held.totals, None if post else held.story)


def _expected(what: str, expect: int | None, current: int) -> None:
    if expect is not None and expect != current:
        raise VersionError(what, current)
