"""Stories and posts for the store's tests."""

from __future__ import annotations

from zlib import crc32

from stoppress.newsroom import rules
from stoppress.newsroom.model import Change, PostDraft, StoryDraft
from stoppress.store.single import EmbeddedServer
from stoppress.store.store import Committed, Store

NOW = 1_795_000_000_000


async def create(store: Store, slug: str = "fire", **how: str) -> Committed:
    change = rules.create_story(StoryDraft(slug=slug, headline="Fire in the harbour"), NOW)
    return await store.changes.commit(slug, change, **{"fingerprint": "create", **how})


def draft(id: str, text: str = "x", now: int = 0, **fields: object) -> Change:
    """A post of `NOW + now` milliseconds."""
    made = PostDraft(headline=f"Post {text}", body=text, **fields)
    return rules.publish(
        made, id=id, html=f"<p>{text}</p>", text=text, now=NOW + now, created=str(crc32(text.encode()))
    )


def where(store: Store) -> str:
    """The path of its server's socket."""
    if isinstance(store.server, EmbeddedServer):
        return store.server.process.socket_path
    return store.settings.redis.removeprefix("unix://")
