"""Keys: every name in the store, of keys and of channels. Nobody else builds one.

Keys of a story share its hash tag, so that a cluster can hold them and one script may touch them all:
`meta` (epoch, seq, the story, its totals), `posts` (id → post as it stands), `revisions` (id:version → post,
id:version:by → who made it and when), `versions` (id → version), `created` (id → fingerprint of its first content),
`order` and `keys` (listed posts and key events by sort_time), `log` (headers of events by seq), `idem:…` (first
answers), `events` (the channel). Knows names only: what they hold is in `records.py`, who may touch them in the Lua.
"""

from __future__ import annotations

import hashlib

# Those that every script gets, in the prelude's order.
PARTS = ("meta", "posts", "order", "keys", "log", "revisions", "versions", "created")


class Keys:
    """Names in the store, all beginning with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.stories = f"{prefix}:stories"
        self.tokens = f"{prefix}:tokens"
        self.schema = f"{prefix}:schema"
        self.metas = self.of("*", "meta")  # a pattern
        # Channels
        self.all_stories = self.channel("*")  # a pattern: braces are none to PSUBSCRIBE
        self.workers = f"{prefix}:workers"

    def of(self, slug: str, part: str) -> str:
        return f"{self._prefix}:{{{slug}}}:{part}"

    def story(self, slug: str) -> list[str]:
        return [self.of(slug, part) for part in PARTS]

    def answer(self, slug: str, key: str) -> str:
        """Where the first answer to an idempotency key is kept: a digest, keys come in any length and alphabet."""
        return self.of(slug, "idem:" + hashlib.sha256(key.encode()).hexdigest()[:40])

    def site_address(self, host: str) -> str:
        return f"{self._prefix}:server:{host}"

    def channel(self, slug: str) -> str:
        """Where a story's events are published."""
        return self.of(slug, "events")

    def probe(self, hearer: str) -> str:
        """The channel of its own by which a hearer makes sure that it hears."""
        return f"{self._prefix}:probe:{hearer}"

    def slug(self, name: str) -> str:
        """The story that a key or channel belongs to."""
        return name[len(self._prefix) + 2 :].partition("}")[0]

    def grant(self, right: str) -> str:
        """What to write in the server's ACL for whoever lacks `right`: `+command`, `~key` or `&channel`.

        One story's key would do for the one story. Who lacks one channel lacks them all, and a worker's pattern must
        be granted word for word (Redis ACL).
        """
        return {
            "+": right,
            "~": f"~{self._prefix}:*",
            "&": f"&{self._prefix}:* &{self.all_stories}",
        }[right[0]]
