"""Reading: the half of the Desk that looks: stories and posts as editors see them. What is not there gets a guess.

It never changes anything.
"""

from __future__ import annotations

from typing import Any

from ..newsroom.errors import GoneError, InvalidError, NotFoundError
from ..newsroom.fields import check_post_id, check_slug
from ..newsroom.model import Post
from ..newsroom.public import full_post, in_order, story_view
from ..store.store import Store, StoredStory
from . import guess

PAGE_POSTS = 50
PAGE_POSTS_MAX = 500


class Reading:
    """Raises InvalidError for what cannot be a slug or an id, NotFoundError and GoneError for what is not there."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def stories(self) -> list[dict[str, Any]]:
        """Live ones first, then by when they last changed."""
        return in_order([story_view(held.story, held.totals) for held in await self.store.reads.stories()])

    async def story(self, slug: str) -> dict[str, Any]:
        held = await self._story(slug)
        return story_view(held.story, held.totals)

    async def posts(self, slug: str, before: str = "", limit: int = PAGE_POSTS) -> dict[str, Any]:
        """`{"posts": […], "has_more": bool}`, newest first, withdrawn ones included."""
        if not 1 <= limit <= PAGE_POSTS_MAX:
            raise InvalidError("limit", f"must be 1 to {PAGE_POSTS_MAX}")
        await self._story(slug)
        posts, has_more = await self.store.reads.page(slug, before, limit)
        return {"posts": [full_post(slug, post) for post in posts], "has_more": has_more}

    async def post(self, slug: str, id: str) -> dict[str, Any]:
        return full_post(slug, await self._listed(slug, id))

    async def revisions(self, slug: str, id: str) -> list[dict[str, Any]]:
        """Every version that is kept, oldest first, each with `changed_by` and `changed_at` ("" = not known)."""
        await self._post(slug, id)
        kept = await self.store.reads.revisions(slug, id)
        return [
            {**full_post(slug, one.post), "changed_by": one.changed_by, "changed_at": one.changed_at} for one in kept
        ]

    async def check(self, slug: str) -> None:
        """Whatever keeps whoever asks from publishing in the story, raised before they write a text."""
        await self._story(slug)

    async def _story(self, slug: str) -> StoredStory:
        check_slug("slug", slug)
        try:
            return await self.store.reads.story(slug)
        except NotFoundError:
            raise await guess.no_story(self.store, slug) from None

    async def _post(self, slug: str, id: str) -> Post:
        if not id:
            raise InvalidError("id", "is missing")
        check_post_id("id", id)
        check_slug("slug", slug)
        try:
            return await self.store.reads.post(slug, id)
        except NotFoundError:
            await self._story(slug)  # an unknown or deleted story is the better answer
            raise await guess.no_post(self.store, slug, id) from None

    async def _listed(self, slug: str, id: str) -> Post:
        post = await self._post(slug, id)
        if post.status == "deleted":
            raise GoneError(f"post {id} is deleted; restore brings it back unless it was purged")
        return post
