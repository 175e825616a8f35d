"""Keys: the names in the store.

Keys of a story share its hash tag, so that a cluster can hold them and one script may touch them all:
`meta` (epoch, seq, the story, its totals), `posts` (id → post as it stands), `revisions` (id:version → post,
id:version:by → who made it and when), `versions` (id → version), `created` (id → fingerprint of its first content),
`order` and `keys` (listed posts and key events by sort_time), `log` (headers of events by seq), `idem:…` (first
answers), `events` (the channel).
"""

from __future__ import annotations

import hashlib

# Those that every script gets, in the prelude's order.
PARTS = ("meta", "posts", "order", "keys", "log", "revisions", "versions", "created")


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

    def answer(self, slug: str, key: str) -> str:
        """Where the first answer to an idempotency key is kept: a digest, keys come in any length and alphabet."""
        return self.of(slug, "idem:" + hashlib.sha256(key.encode()).hexdigest()[:40])

    def slug(self, name: str) -> str:
        """The story that a key or channel belongs to."""
        return name[len(self.prefix) + 2 :].partition("}")[0]
