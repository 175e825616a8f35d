"""Reads: stories and posts as they are stored, for desks, pages and hubs. Never writes, and never hides a deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..hub.state import StoryState
from ..newsroom.errors import GoneError, NotFoundError
from ..newsroom.events import POST_DELETED
from ..newsroom.model import Post
from ..newsroom.public import key_event, public_post, story_view
from ..newsroom.times import parse_time
from .calls import Calls
from .index import Index
from .keys import Keys
from .log import Log
from .records import Revision, StoredStory, pairs, post_of, story_of, totals_of

AT_A_TIME = 16  # stories are read: as many as there are connections, more would only wait for one


class Reads:
    """Calls may run at the same time; each raises StoreError when it cannot, UnreadableError when one story is not
    what Stoppress wrote.
    """

    def __init__(self, calls: Calls, keys: Keys, index: Index, log: Log) -> None:
        self._calls = calls
        self._keys = keys
        self._index = index
        self._log = log

    async def story(self, slug: str) -> StoredStory:
        """Raises NotFoundError, or GoneError when it was deleted."""
        _, epoch, seq, doc, totals, *_ = await self._log.ask("load", slug, keep=0)
        return StoredStory(story_of(slug, doc), totals_of(slug, totals), epoch.decode(), int(seq))

    async def stories(self) -> list[StoredStory]:
        """Every story of the index that is not deleted, by slug."""
        slugs = sorted(await self._index.slugs())
        found: list[StoredStory] = []
        for start in range(0, len(slugs), AT_A_TIME):
            some = await asyncio.gather(*map(self._story_or_none, slugs[start : start + AT_A_TIME]))
            found += [story for story in some if story]
        return found

    async def load(self, slug: str, keep: int) -> StoryState:
        """What a hub holds: the newest `keep` posts, the pinned one, all key events. NotFoundError, GoneError."""
        answer = await self._log.ask("load", slug, keep=keep)
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

    async def post(self, slug: str, id: str) -> Post:
        """Any post that ever was, as it is now (a deleted one has status "deleted"); else NotFoundError."""
        post = await self._calls.command("HGET", self._keys.of(slug, "posts"), id)
        if post is None:
            raise NotFoundError(f"there is no post {id} in {slug}")
        return post_of(slug, post)

    async def imported(self, slug: str, ids: Sequence[str]) -> dict[str, tuple[Post, str]]:
        """Of `ids`, those that ever were: the post now, and the fingerprint of what it was created with."""
        found: dict[str, tuple[Post, str]] = {}
        for start in range(0, len(ids), 200):
            some = ids[start : start + 200]
            posts = await self._calls.command("HMGET", self._keys.of(slug, "posts"), *some)
            prints = await self._calls.command("HMGET", self._keys.of(slug, "created"), *some)
            for id, post, fingerprint in zip(some, posts, prints, strict=True):
                if post is not None:
                    found[id] = (post_of(slug, post), (fingerprint or b"").decode())
        return found

    async def revision(self, slug: str, id: str, version: int) -> Post:
        """One version; NotFoundError when there is none, or it was purged."""
        post = await self._calls.command("HGET", self._keys.of(slug, "revisions"), f"{id}:{version}")
        if post is None:
            raise NotFoundError(f"there is no version {version} of post {id} in {slug}")
        return post_of(slug, post)

    async def revisions(self, slug: str, id: str) -> list[Revision]:
        """Every version that is kept, oldest first."""
        kept = await self._calls.read("revisions", slug, id=id)
        return [Revision.read(slug, post, by) for post, by in reversed(pairs(kept))]

    async def page(self, slug: str, before: str = "", limit: int = 50) -> tuple[list[Post], bool]:
        """Listed posts, newest first, older than the post `before`; and whether more are to come."""
        below = "+inf"
        if before:
            below = f"({parse_time((await self.post(slug, before)).sort_time)}"
        posts = await self._calls.read("page", slug, below=below, count=limit + 1)
        return [post_of(slug, one) for one in posts[:limit]], len(posts) > limit

    async def newer(self, slug: str, after: str, limit: int = 50) -> tuple[list[Post], bool]:
        """The listed posts next above the post `after`, newest first; and whether there are more above them."""
        above = f"({parse_time((await self.post(slug, after)).sort_time)}"
        posts = await self._calls.read("newer", slug, above=above, count=limit + 1)
        return [post_of(slug, one) for one in reversed(posts[:limit])], len(posts) > limit

    async def deleted(self, slug: str, events: int = 1000) -> list[Post]:
        """Tombstones of the posts that were deleted in the last `events`, last one first."""
        posts = await self._calls.read("deleted", slug, events=events, type=POST_DELETED)
        return [post for post in (post_of(slug, one) for one in posts) if post.status == "deleted"]

    async def _story_or_none(self, slug: str) -> StoredStory | None:
        try:
            return await self.story(slug)
        except (NotFoundError, GoneError):
            return None
