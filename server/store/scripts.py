"""The store's scripts: each one atomic step, in a `.lua` file beside this one, all with `prelude.lua` in front.

Keys of a story share its hash tag, so that a cluster can hold them and one script may touch them all.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

# Those that every script gets, in the prelude's order.
PARTS = ("meta", "posts", "order", "keys", "log", "revisions", "versions", "created")


@cache
def source(name: str) -> str:
    """The text of a script; the prelude's lines come first in the line numbers of its errors."""
    here = files(__package__)
    return (here / "prelude.lua").read_text() + (here / f"{name}.lua").read_text()


class Keys:
    """Names in the store, all beginning with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.stories = f"{prefix}:stories"
        self.tokens = f"{prefix}:tokens"
        self.schema = f"{prefix}:schema"
        self.channels = f"{prefix}:{{*}}:events"  # braces are no pattern to PSUBSCRIBE

    def of(self, slug: str, part: str) -> str:
        return f"{self.prefix}:{{{slug}}}:{part}"

    def story(self, slug: str) -> list[str]:
        return [self.of(slug, part) for part in PARTS]

    def channel(self, slug: str) -> str:
        return self.of(slug, "events")

    def slug(self, name: str) -> str:
        """The story that a key or channel belongs to."""
        return name[len(self.prefix) + 2 :].partition("}")[0]


class Scripts:
    """Runs a script by its digest, and loads it where the server does not know it (after a restart, say)."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._known: dict[str, Any] = {}

    async def run(self, name: str, keys: list[str], arguments: dict[str, Any]) -> Any:
        script = self._known.get(name)
        if script is None:
            script = self._known[name] = self._client.register_script(source(name))
        flat = [part for pair in arguments.items() for part in pair]
        return await script(keys=keys, args=flat)
