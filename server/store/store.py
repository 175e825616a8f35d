"""Store: stories and posts in one real Redis or Valkey, every change one atomic script.

What a change did is on the server's disk before `commit` returns, if the server is durable (the embedded one is).
The log is the truth that hubs resume from; the channel only wakes them. Positions are an epoch and a seq.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ..clock import now_ms
from ..hub.state import StoryState
from ..newsroom.errors import ConflictError, GoneError, NotFoundError, StoreError
from ..newsroom.model import Change, Post, Story, Totals
from ..newsroom.public import is_listed, key_event, public_post, story_view
from ..newsroom.times import format_time, kept_time, parse_time
from ..settings import Settings
from .calls import Asker
from .keys import Keys
from .records import (
    Committed,
    Revision,
    StaleStoryError,
    StoredStory,
    StoryGoneError,
    UnreadableError,
    author,
    commit_arguments,
    event_of,
    fresh_epoch,
    import_arguments,
    pairs,
    position_of,
    post_of,
    refusal,
    story_of,
    totals_of,
    unpacked,
)
from .single import Link

log = logging.getLogger(__name__)
KEEP_ANSWERS_S = 24 * 3600
ROUNDS = 100  # of moving by a millisecond, of renewing an epoch: each is lost only to another writer

__all__ = ["Committed", "Revision", "StaleStoryError", "Store", "StoredStory", "StoryGoneError", "UnreadableError"]


class Store:
    """One process's access to the store. Calls may run at the same time; each raises StoreError when it cannot."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.settings = link.settings
        self.keys = Keys(link.settings.prefix)
        self.client = link.client
        self._ask = Asker(link, self.keys)
        self.once = self._ask.once  # for what is soon out of date: StoreError at once

    @classmethod
    async def open(cls, settings: Settings) -> Store:
        """Start or join the embedded server, or connect to `settings.redis`; StoreError names the way out."""
        return cls(await Link.open(settings))

    async def aclose(self) -> None:
        await self.link.aclose()

    # Reading

    async def story(self, slug: str) -> StoredStory:
        """Raises NotFoundError, or GoneError when it was deleted."""
        _, epoch, seq, doc, totals, *_ = await self._story_script("load", slug, keep=0)
        return StoredStory(story_of(slug, doc), totals_of(slug, totals), epoch.decode(), int(seq))

    async def stories(self) -> list[StoredStory]:
        """Every story of the index that is not deleted, by slug."""
        slugs = sorted(await self.slugs())
        # As many at a time as there are connections: more would only wait for one.
        found: list[StoredStory] = []
        for start in range(0, len(slugs), 16):
            some = await asyncio.gather(*map(self._story_or_none, slugs[start : start + 16]))
            found += [held for held in some if held]
        return found

    async def slugs(self) -> list[str]:
        """The index of stories, in no order; deleted ones too."""
        return [slug.decode() for slug in await self._ask.call("smembers", self.keys.stories)]

    async def post(self, slug: str, id: str) -> Post:
        """Any post that ever was, as it is now (a deleted one has status "deleted"); else NotFoundError."""
        held = await self._ask.call("hget", self.keys.of(slug, "posts"), id)
        if held is None:
            raise NotFoundError(f"there is no post {id} in {slug}")
        return post_of(slug, held)

    async def revision(self, slug: str, id: str, version: int) -> Post:
        """One version; NotFoundError when there is none, or it was purged."""
        held = await self._ask.call("hget", self.keys.of(slug, "revisions"), f"{id}:{version}")
        if held is None:
            raise NotFoundError(f"there is no version {version} of post {id} in {slug}")
        return post_of(slug, held)

    async def revisions(self, slug: str, id: str) -> list[Revision]:
        """Every version that is kept, oldest first."""
        held = await self._ask.read("revisions", slug, id=id)
        return [Revision.read(slug, post, by) for post, by in reversed(pairs(held))]

    async def page(self, slug: str, before: str = "", limit: int = 50) -> tuple[list[Post], bool]:
        """Listed posts, newest first, older than the post `before`; and whether more are to come."""
        below = "+inf"
        if before:
            below = f"({parse_time((await self.post(slug, before)).sort_time)}"
        held = await self._ask.read("page", slug, below=below, count=limit + 1)
        return [post_of(slug, one) for one in held[:limit]], len(held) > limit

    async def newer(self, slug: str, after: str, limit: int = 50) -> tuple[list[Post], bool]:
        """The listed posts next above the post `after`, newest first; and whether there are more above them."""
        above = f"({parse_time((await self.post(slug, after)).sort_time)}"
        held = await self._ask.read("newer", slug, above=above, count=limit + 1)
        return [post_of(slug, one) for one in reversed(held[:limit])], len(held) > limit

    async def deleted(self, slug: str, events: int = 1000) -> list[Post]:
        """Tombstones of the posts that were deleted in the last `events`, last one first."""
        held = await self._ask.read("deleted", slug, events=events)
        return [post for post in (post_of(slug, one) for one in held) if post.status == "deleted"]

    async def load(self, slug: str, keep: int) -> StoryState:
        """What a hub holds: the newest `keep` posts, the pinned one, all key events. NotFoundError, GoneError."""
        answer = await self._story_script("load", slug, keep=keep)
        _, epoch, seq, doc, totals, posts, pinned, marks = answer
        return StoryState(
            epoch.decode(),
            int(seq),
            story_view(story_of(slug, doc), totals_of(slug, totals)),
            [public_post(slug, post_of(slug, one)) for one in posts],
            public_post(slug, post_of(slug, pinned)) if pinned else None,
            [key_event(public_post(slug, post_of(slug, one))) for one in marks],
            keep,
        )

    async def events(self, slug: str, epoch: str, after: int) -> list[dict[str, Any]] | None:
        """The events after a position, to the log's top, retracted texts replaced by their retraction.

        None when they cannot be proved complete: another epoch, a trimmed log, a barrier between, too many, or a
        position ahead of the store.
        """
        read = await self._log(slug, epoch, after, self.settings.ring_events)
        if read is None or None in read.values() or list(read) != list(range(after + 1, after + 1 + len(read))):
            return None
        return list(read.values())

    async def recent(self, slug: str, epoch: str, upto: int) -> list[dict[str, Any]]:
        """The events that end at seq `upto`, as far back as the log and `ring_events` reach without a hole."""
        after = max(0, upto - self.settings.ring_events)
        # The log grows while we look.
        read = await self._log(slug, epoch, after, 2 * self.settings.ring_events) or {}
        told: list[dict[str, Any]] = []
        for seq in range(upto, after, -1):
            event = read.get(seq)
            if event is None:
                break
            told.append(event)
        return told[::-1]

    async def _log(self, slug: str, epoch: str, after: int, most: int) -> dict[int, dict[str, Any] | None] | None:
        """The log after a seq; an entry that no reader can be told of (a barrier, a lost text) is None.

        None: another epoch, a seq ahead of the store, or more than `most` entries.
        """
        answer = await self._story_script("events", slug, after=after, most=most)
        if answer[0] != b"ok" or answer[1].decode() != epoch:
            return None
        texts = {name.decode(): held for name, held in pairs(answer[4])}
        posts = {id.decode(): held for id, held in pairs(answer[5])}
        read: dict[int, dict[str, Any] | None] = {}
        for entry_id, fields in answer[3]:
            entry = {name.decode(): held for name, held in pairs(fields)}
            seq = int(entry_id.partition(b"-")[0])
            try:
                read[seq] = event_of(slug, epoch, seq, entry, texts, posts)
            except (LookupError, ValueError, UnreadableError) as error:  # then the story is read as it stands
                log.error("entry %d of the log cannot be read: %r", seq, error, extra={"slug": slug})
                read[seq] = None
        return read if max(read, default=after) == int(answer[2]) else None

    async def top(self, slugs: Sequence[str]) -> list[tuple[str, int] | UnreadableError]:
        """The newest position of each story; ("", 0) where there is none; an error where one cannot be read."""
        pipe = self.client.pipeline(transaction=False)
        for slug in slugs:
            pipe.hmget(self.keys.of(slug, "meta"), "epoch", "seq")
        with self.link.ours(self.keys.of("*", "meta")):
            found = await pipe.execute() if slugs else []
        return [position_of(slug, *held) for slug, held in zip(slugs, found, strict=True)]

    async def renew(self, slug: str, was: str, *, force: bool = False) -> str:
        """Begin a new epoch, if `was` is still the story's and its log is lost; returns the epoch that stands.

        `force`: the caller holds proof of events that the log does not. Of all who see the same loss one succeeds.
        """
        arguments = {"was": was, "fresh": fresh_epoch(), "force": int(force), "channel": self.keys.channel(slug)}
        answer = await self._ask.read("renew", slug, **arguments)
        if answer[0] != b"ok":
            raise NotFoundError(f"there is no story {slug}")
        _unwoken(slug, answer[2])
        return answer[1].decode()

    # Writing

    async def commit(
        self, slug: str, change: Change, *, by: str = "", key: str = "", fingerprint: str = ""
    ) -> Committed:
        """Carry out a change, once per `key` however often it is sent. `by`: who makes it, kept with the revision.

        Raises VersionError, StaleStoryError (read and decide again), ConflictError, GoneError, NotFoundError;
        TryAgainError (with `key`) when the link broke and nobody knows; StoreError when nothing was done.
        """
        given, key = key, key or secrets.token_urlsafe(16)
        if change.story and not change.story_was:
            await self._index(slug)
        story_was = msgspec.json.encode(change.story_was) if change.story_was else b""
        if change.post and is_listed(change.post):
            # The order is kept in milliseconds; a change keeps its own copy, because a tie moves it.
            change = msgspec.structs.replace(change, post=msgspec.structs.replace(change.post))
        for _ in range(ROUNDS):
            arguments = self._common(slug) | commit_arguments(slug, change, story_was)
            arguments |= {"by": author(by, change.at), "fingerprint": fingerprint, "keep_s": KEEP_ANSWERS_S}
            answer = await self._ask.send("commit", slug, arguments, key)
            word = answer[0]
            if word == b"ok":
                break
            if word == b"replay":
                try:
                    replay = await self.answer(slug, key, fingerprint)
                except StoreError as error:
                    raise self.link.uncertain(given, error.detail) from error
                if replay is None:
                    continue  # it ran out between the two
                return replay
            if word == b"same":
                _, epoch, seq, totals, post = answer
                held = post_of(slug, post)
                if held.status == "deleted":
                    raise GoneError(f"post {held.id} was deleted; an id never returns: choose another")
                same = Committed(epoch.decode(), int(seq), held, True, totals_of(slug, totals))
                return await self.settle(slug, given, fingerprint, same)
            if word == b"tie":
                assert change.post
                change.post.sort_time = kept_time(int(answer[1]), "sort_time")
            elif word == b"stale" and story_of(slug, answer[1]) == change.story_was:
                story_was = answer[1]  # the same story, written with other bytes by another release
            elif word == b"lost":
                await self.renew(slug, answer[1].decode())
            else:
                raise refusal(slug, change, answer)
        else:
            raise ConflictError(f"{slug} is being changed faster than this change can be placed; try it again")
        _, epoch, seq, totals, why = answer
        _unwoken(slug, why)
        if change.erase:
            await self.link.rewrite()
        return Committed(epoch.decode(), int(seq), change.post, False, totals_of(slug, totals), change.story)

    async def settle(self, slug: str, key: str, fingerprint: str, done: Committed) -> Committed:
        """Have a key remember that its request changed nothing; or what it was answered before, if it was."""
        name, kept = self.keys.answer(slug, key), done.packed(fingerprint)
        if not key or await self._ask.call("set", name, kept, nx=True, ex=KEEP_ANSWERS_S):
            return done
        return await self.answer(slug, key, fingerprint) or done

    async def answer(self, slug: str, key: str, fingerprint: str) -> Committed | None:
        """What a key was answered first; None if it is new. KeyReusedError when it came with another request."""
        kept = await self._ask.call("get", self.keys.answer(slug, key)) if key else None
        if kept is None:
            return None
        done, id, version = unpacked(slug, kept, fingerprint)
        if id:
            try:
                return replace(done, post=await self.revision(slug, id, version))
            except NotFoundError:  # purged since
                return replace(done, post=await self.post(slug, id))
        return done

    async def imported(self, slug: str, ids: Sequence[str]) -> dict[str, tuple[Post, str]]:
        """Of `ids`, those that ever were: the post now, and the fingerprint of what it was created with."""
        found: dict[str, tuple[Post, str]] = {}
        for start in range(0, len(ids), 200):
            some = list(ids[start : start + 200])
            posts = await self._ask.call("hmget", self.keys.of(slug, "posts"), some)
            prints = await self._ask.call("hmget", self.keys.of(slug, "created"), some)
            for id, post, created in zip(some, posts, prints, strict=True):
                if post is not None:
                    found[id] = (post_of(slug, post), (created or b"").decode())
        return found

    async def import_batch(
        self,
        slug: str,
        story: Story | None,
        totals: Totals,
        posts: list[Post],
        created: list[str],
        last: bool,
        by: str = "",
    ) -> tuple[int, int]:
        """Store posts without an event each; returns how many were added and how many were there already.

        `story` is made if there is none. Of `totals`, version and date_modified are taken over if they are later
        (into a story without posts, the date in any case), the pin if its post is listed and none is pinned. The
        `last` batch tells the hubs, which read anew. Repeatable: a post that is stored with the same fingerprint is
        skipped; with another, ConflictError.
        """
        posts = [msgspec.structs.replace(post) for post in posts]
        if story:
            await self._index(slug)
        for _ in range(ROUNDS):
            arguments = self._common(slug) | import_arguments(story, totals, posts, created, last)
            arguments |= {"at": (at := format_time(now_ms())), "by": author(by, at)}
            # Repeatable as it stands: a second run of the same batch finds its posts stored.
            answer = await self._ask.send("import", slug, arguments)
            word = answer[0]
            if word == b"ok":
                _unwoken(slug, answer[5])
                return int(answer[3]), int(answer[4])
            if word == b"ties":
                for index, free in pairs(answer[1]):
                    posts[int(index)].sort_time = kept_time(int(free), "sort_time")
            elif word == b"lost":
                await self.renew(slug, answer[1].decode())
            else:
                raise refusal(slug, None, answer)
        raise ConflictError(f"{slug} is being changed faster than posts can be placed; try the import again")

    # The index of stories. An entry without a story is overlooked, a story without an entry would be: so it comes first

    async def repair_index(self) -> int:
        """Find stories whose index entry was lost; returns how many entries were missing."""
        found: set[str] = set()
        pattern = self.keys.of("*", "meta")
        with self.link.ours(self.keys.stories):
            async for name in self.client.scan_iter(match=pattern, count=1000):
                found.add(self.keys.slug(name.decode()))
            return int(await self.client.sadd(self.keys.stories, *found)) if found else 0

    async def _index(self, slug: str) -> None:
        await self._ask.call("sadd", self.keys.stories, slug)

    # Tokens

    async def put_token(self, hashed: str, record: bytes) -> None:
        await self._ask.call("hset", self.keys.tokens, hashed, record)

    async def get_token(self, hashed: str) -> bytes | None:
        return await self._ask.call("hget", self.keys.tokens, hashed)

    async def list_tokens(self) -> dict[str, bytes]:
        held = await self._ask.call("hgetall", self.keys.tokens)
        return {hashed.decode(): record for hashed, record in held.items()}

    async def revoke_token(self, hashed: str) -> bool:
        """False when there was none."""
        return bool(await self._ask.call("hdel", self.keys.tokens, hashed))

    # Within

    async def _story_or_none(self, slug: str) -> StoredStory | None:
        try:
            return await self.story(slug)
        except (NotFoundError, GoneError):
            return None

    async def _story_script(self, name: str, slug: str, **arguments: Any) -> list[Any]:
        """A reading script's answer; renews the epoch where the log was lost."""
        for _ in range(ROUNDS):
            answer = await self._ask.read(name, slug, **arguments)
            if answer[0] == b"lost":
                await self.renew(slug, answer[1].decode())
            elif answer[0] in (b"none", b"gone", b"malformed"):
                raise refusal(slug, None, answer)
            else:
                return answer
        raise StoreError(f"{self.link.place} loses its data again and again; see its log")

    def _common(self, slug: str) -> dict[str, Any]:
        """What every writing script is told."""
        return {"fresh": fresh_epoch(), "log_events": self.settings.log_events, "channel": self.keys.channel(slug)}


def _unwoken(slug: str, why: bytes) -> None:
    """What was stored and told to nobody is found by the hubs' own look at the tops."""
    if why:
        log.warning("the hubs were not woken: %s", why.decode(errors="replace"), extra={"slug": slug})
