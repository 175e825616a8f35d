"""One state: the fold of what was published equals what the store loads, at every seq, over random work."""

from __future__ import annotations

import random

import orjson
import pytest
from newsdesk import NOW, create, draft

from stoppress.newsroom import rules
from stoppress.newsroom.errors import StoppressError
from stoppress.newsroom.model import Correction, Post, PostPatch, StoryPatch
from stoppress.store.store import Store

BACKLOG, KEEP = 4, 8


async def some_change(store: Store, chance: random.Random, posts: dict[str, Post], n: int):
    now = NOW + n
    post = chance.choice(list(posts.values())) if posts else None
    story = (await store.reads.story("fire")).story
    work = chance.choice(
        [
            "publish",
            "publish",
            "old",
            "edit",
            "correct",
            "withdraw",
            "restore",
            "delete",
            "purge",
            "pin",
            "unpin",
            "title",
        ]
    )
    if work in ("publish", "old") or post is None:
        at = n if work == "publish" else -chance.randrange(1000)
        return draft(f"p{n}", f"text {n}", now=at, is_key_event=chance.random() < 0.4, pin=chance.random() < 0.1)
    if work == "edit":
        patch = PostPatch(body=f"edit {n}", is_key_event=chance.random() < 0.5, minor=chance.random() < 0.5)
        return rules.edit(post, patch, html=f"<p>edit {n}</p>", text=f"edit {n}", now=now)
    if work == "correct":
        return rules.correct(post, Correction(text=f"Was {n}"), now)
    if work == "withdraw":
        return rules.withdraw(post, f"Note {n}", now)
    if work == "restore":
        kept = [old for one in await store.reads.revisions("fire", post.id) if (old := one.post).status == "published"]
        return rules.restore(post, kept[-1], now) if kept else None
    if work in ("delete", "purge"):
        return rules.delete(post, now, purge=work == "purge")
    if work == "pin":
        return rules.edit_story(story, StoryPatch(pinned_post_id=post.id), now, post)
    if work == "unpin":
        return rules.edit_story(story, StoryPatch(pinned_post_id=None), now)
    return rules.edit_story(story, StoryPatch(headline=f"Headline {n}"), now)


def told(state) -> bytes:
    return orjson.dumps(state.snapshot(BACKLOG, 1 << 20))


@pytest.mark.parametrize("seed", range(6))
async def test_the_fold_equals_the_store_at_every_seq(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    await create(store)
    posts: dict[str, Post] = {}
    live = await store.reads.load("fire", KEEP)
    start = live.seq

    for n in range(60):
        try:
            change = await some_change(store, chance, posts, n)
        except StoppressError:  # the rules refuse, as they should
            continue
        if change is None:
            continue
        done = await store.changes.commit("fire", change)
        if done.post:
            posts[done.post.id] = done.post
        for event in await store.log.events("fire", live.epoch, live.seq):
            live.apply(event)
        loaded = await store.reads.load("fire", KEEP)
        if live.short(BACKLOG):
            live = loaded
        assert live.seq == done.seq
        assert told(live) == told(loaded), f"seed {seed}, {change.type} at seq {done.seq}"

    # Whoever missed everything gets it from the log, and ends in the same state.
    events = await store.log.events("fire", live.epoch, start)
    assert [event["seq"] for event in events] == list(range(start + 1, live.seq + 1))
    public = orjson.dumps(events)
    for post in posts.values():
        if post.status != "published":
            for old in (one.post for one in await store.reads.revisions("fire", post.id)):
                assert not old.body or orjson.dumps(f"<p>{old.body}</p>") not in public
