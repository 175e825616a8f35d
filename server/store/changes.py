"""Changes: what editors decided, carried out by one atomic script each, once per key however often it is sent.

What a change did is on the server's disk before `commit` returns, if the server is durable (the embedded one is). Owns
the rounds of trying again; never decides what a change is: that is the rules', and the script's where two meet.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from ..clock import now_ms
from ..newsroom.errors import ConflictError, GoneError, NotFoundError, StoreError
from ..newsroom.model import Change, Post, Story, Totals
from ..newsroom.public import is_listed
from ..newsroom.times import format_time, kept_time
from .calls import Calls
from .explanations import Explanations
from .index import Index
from .keys import Keys
from .log import Log, note_unwoken
from .reads import Reads
from .records import (
    Committed,
    author,
    commit_arguments,
    fresh_epoch,
    import_arguments,
    pairs,
    post_of,
    refusal,
    story_of,
    totals_of,
    unpacked,
)
from .server import Server

KEEP_ANSWERS_S = 24 * 3600
ROUNDS = 100  # of moving by a millisecond, of renewing an epoch: each is lost only to another writer


class Changes:
    """`log_events`: as many entries a story's log keeps. `clock`: milliseconds since 1970, for what an import did."""

    def __init__(
        self,
        calls: Calls,
        keys: Keys,
        server: Server,
        explanations: Explanations,
        index: Index,
        log: Log,
        reads: Reads,
        *,
        log_events: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._calls = calls
        self._keys = keys
        self._server = server
        self._explanations = explanations
        self._index = index
        self._log = log
        self._reads = reads
        self._log_events = log_events
        self._clock = clock

    async def commit(
        self, slug: str, change: Change, *, by: str = "", key: str = "", fingerprint: str = ""
    ) -> Committed:
        """Carry out a change, once per `key` however often it is sent. `by`: who makes it, kept with the revision.

        Raises VersionError, StaleStoryError (read and decide again), ConflictError, GoneError, NotFoundError;
        TryAgainError (with `key`) when the link broke and nobody knows; StoreError when nothing was done.
        """
        given, key = key, key or secrets.token_urlsafe(16)
        is_indexed = False
        story_was = msgspec.json.encode(change.story_was) if change.story_was else b""
        if change.post and is_listed(change.post):
            # The order is kept in milliseconds; a change keeps its own copy, because a tie moves it.
            change = msgspec.structs.replace(change, post=msgspec.structs.replace(change.post))
        for _ in range(ROUNDS):
            arguments = self._common(slug) | commit_arguments(slug, change, story_was)
            arguments |= {"by": author(by, change.at), "fingerprint": fingerprint, "keep_s": KEEP_ANSWERS_S}
            arguments["indexed"] = int(is_indexed)
            answer = await self._calls.write("commit", slug, arguments, key)
            word = answer[0]
            if word == b"ok":
                break
            if word == b"replay":
                try:
                    replay = await self.answer(slug, key, fingerprint)
                except StoreError as error:
                    raise self._explanations.uncertain(given, error.detail) from error
                if replay is None:
                    continue  # it ran out between the two
                return replay
            if word == b"same":
                _, epoch, seq, totals, stored = answer
                post = post_of(slug, stored)
                if post.status == "deleted":
                    raise GoneError(f"post {post.id} was deleted; an id never returns: choose another")
                same = Committed(epoch.decode(), int(seq), post, True, totals_of(slug, totals))
                return await self.settle(slug, given, fingerprint, same)
            if word == b"unindexed":
                is_indexed = await self._index.add(slug)
            elif word == b"tie":
                assert change.post
                change.post.sort_time = kept_time(int(answer[1]), "sort_time")
            elif word == b"stale" and story_of(slug, answer[1]) == change.story_was:
                story_was = answer[1]  # the same story, written with other bytes by another release
            elif word == b"lost":
                await self._log.renew(slug, answer[1].decode())
            else:
                raise refusal(slug, change, answer)
        else:
            raise ConflictError(f"{slug} is being changed faster than this change can be placed; try it again")
        _, epoch, seq, totals, why = answer
        note_unwoken(slug, why)
        if change.erase:
            await self._server.rewrite()
        return Committed(epoch.decode(), int(seq), change.post, False, totals_of(slug, totals), change.story)

    async def settle(self, slug: str, key: str, fingerprint: str, done: Committed) -> Committed:
        """Have a key remember that its request changed nothing; or what it was answered before, if it was."""
        name, kept = self._keys.answer(slug, key), done.packed(fingerprint)
        if not key or await self._calls.command("SET", name, kept, "NX", "EX", KEEP_ANSWERS_S):
            return done
        return await self.answer(slug, key, fingerprint) or done

    async def answer(self, slug: str, key: str, fingerprint: str) -> Committed | None:
        """What a key was answered first; None if it is new. KeyReusedError when it came with another request."""
        kept = await self._calls.command("GET", self._keys.answer(slug, key)) if key else None
        if kept is None:
            return None
        done, id, version = unpacked(slug, kept, fingerprint)
        if id:
            try:
                return replace(done, post=await self._reads.revision(slug, id, version))
            except NotFoundError:  # purged since
                return replace(done, post=await self._reads.post(slug, id))
        return done

    async def import_batch(
        self,
        slug: str,
        story: Story | None,
        totals: Totals,
        posts: list[Post],
        created: list[str],
        last: bool,
        by: str = "",
        story_was: Story | None = None,
    ) -> tuple[int, int]:
        """Store posts without an event each; returns how many were added and how many were there already.

        `story` is made if there is none; with `story_was`, which it was decided on, it is what becomes of a story
        without posts. Of `totals`, version and date_modified are taken over if they are later (into a story without
        posts, the date in any case), the pin if its post is listed and none is pinned. The `last` batch tells the
        hubs, which read anew. Repeatable: a post that is stored with the same fingerprint is skipped; with another,
        ConflictError.
        """
        doc_was = msgspec.json.encode(story_was) if story and story_was else b""
        posts = [msgspec.structs.replace(post) for post in posts]
        is_indexed = False
        for _ in range(ROUNDS):
            arguments = self._common(slug) | import_arguments(story, doc_was, totals, posts, created, last)
            arguments |= {"at": (at := format_time(self._clock())), "by": author(by, at), "indexed": int(is_indexed)}
            # Repeatable as it stands: a second run of the same batch finds its posts stored.
            answer = await self._calls.write("import", slug, arguments)
            word = answer[0]
            if word == b"ok":
                note_unwoken(slug, answer[5])
                return int(answer[3]), int(answer[4])
            if word == b"unindexed":
                is_indexed = await self._index.add(slug)
            elif word == b"ties":
                for index, free in pairs(answer[1]):
                    posts[int(index)].sort_time = kept_time(int(free), "sort_time")
            elif word == b"stale" and story_of(slug, answer[1]) == story_was:
                doc_was = answer[1]  # as above
            elif word == b"lost":
                await self._log.renew(slug, answer[1].decode())
            else:
                raise refusal(slug, None, answer)
        raise ConflictError(f"{slug} is being changed faster than posts can be placed; try the import again")

    def _common(self, slug: str) -> dict[str, Any]:
        """What every writing script is told."""
        return {"fresh": fresh_epoch(), "log_events": self._log_events, "channel": self._keys.channel(slug)}
