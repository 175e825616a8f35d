"""The store's promises, on real servers: once, in order, without holes, nothing retracted."""

from __future__ import annotations

from stoppress.newsroom import rules
from stoppress.newsroom.model import PostDraft, StoryDraft
from stoppress.store.store import Committed, Store

NOW = 1_795_000_000_000


async def create(store: Store, slug: str = "fire") -> Committed:
    change = rules.create_story(StoryDraft(slug=slug, headline="Fire in the harbour"), NOW)
    return await store.commit(slug, change, fingerprint="s")


def draft(id: str, text: str = "x", now: int = NOW, **fields: object):
    made = PostDraft(headline=f"Post {text}", body=text, **fields)
    return rules.publish(made, id=id, html=f"<p>{text}</p>", text=text, now=now, created=f"fp {text}")


async def test_a_story_and_a_post(store: Store) -> None:
    made = await create(store)
    done = await store.commit("fire", draft("a"))

    assert (made.seq, done.seq, done.epoch == made.epoch) == (1, 2, True)
    assert done.post.id == "a"
    held = await store.story("fire")
    assert (held.seq, held.totals.post_count, held.totals.listed_count, held.totals.version) == (2, 1, 1, 2)
    assert [one.story.slug for one in await store.stories()] == ["fire"]
    state = await store.load("fire", 10)
    assert state.posts[0]["content_html"] == "<p>x</p>"
    events = await store.events("fire", done.epoch, 0)
    assert [event["type"] for event in events] == ["story.updated", "post.published"]
    assert events[1]["post"] == state.posts[0]
