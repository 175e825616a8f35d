"""Index: the list of all stories. Knows slugs, never what a story holds.

An entry without a story is overlooked, a story without an entry would be: so the entry comes first, but only when the
story's script has found nothing that stands in its way (`unindexed`, see `commit.lua`): a no leaves no entry either.
"""

from __future__ import annotations

from .calls import Calls
from .explanations import Explanations
from .keys import Keys
from .server import Server


class Index:
    """The stories by slug, deleted ones too."""

    def __init__(self, calls: Calls, keys: Keys, server: Server, explanations: Explanations) -> None:
        self._calls = calls
        self._keys = keys
        self._server = server
        self._explanations = explanations

    async def slugs(self) -> list[str]:
        """In no order."""
        return [slug.decode() for slug in await self._calls.command("SMEMBERS", self._keys.stories)]

    async def add(self, slug: str) -> bool:
        """True, when the entry is there."""
        await self._calls.command("SADD", self._keys.stories, slug)
        return True

    async def repair(self) -> int:
        """Find stories whose entry was lost; returns how many entries were missing."""
        found: set[str] = set()
        with self._explanations.ours(self._keys.stories):
            async for name in self._server.client.scan_iter(match=self._keys.metas, count=1000):
                found.add(self._keys.slug(name.decode()))
            return int(await self._server.client.sadd(self._keys.stories, *found)) if found else 0
