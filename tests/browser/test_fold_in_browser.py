"""The browser's fold and the hub's: the same messages, the same state after each of them."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from stoppress.hub.state import StoryState
from stoppress.newsroom.public import key_event

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

FOLD = """async ({ first, events }) => {
  const { fold } = await import("/assets/fold.js");
  let state = fold(null, first);
  return events.map((event) => {
    state = fold(state, event);
    const { epoch, seq, story, posts, pinned, key_events, older } = state;
    return { type: "snapshot", epoch, seq, story, posts, has_more: older, pinned, key_events };
  });
}"""
REFUSE = """async ({ first, message }) => {
  const { fold, Gap } = await import("/assets/fold.js");
  const state = fold(null, first);
  try {
    return fold(state, message) === state ? "same" : "changed";
  } catch (error) {
    return error instanceof Gap ? "gap" : String(error);
  }
}"""
EVERYTHING = 1_000


class Newsroom:
    """A made-up story that tells what happens to it; most posts exist before its first snapshot."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.posts: dict[str, dict[str, Any]] = {}
        self.seq = 7
        self.pinned: str | None = None
        for n in range(8):
            self._new(f"a{n}")

    def _new(self, id: str) -> dict[str, Any]:
        minute = self.dice.choice([len(self.posts), self.dice.randrange(60)])
        post = {
            "id": id,
            "url": f"/live/s/posts/{id}",
            "status": "published",
            "version": 1,
            "headline": f"Post {id}",
            "date_published": "2026-11-22T10:00:00.000Z",
            "sort_time": f"2026-11-22T10:{minute:02d}:{len(self.posts) % 60:02d}.{self.dice.randrange(1000):03d}Z",
        }
        if self.dice.random() < 0.3:
            post["is_key_event"] = True
        if self.dice.random() < 0.3:  # as imports may be
            post["label"] = f"It says {post.pop('headline')}."
        if self.dice.random() < 0.3:
            post["date_modified"] = post.pop("date_published")
        if self.dice.random() < 0.3:
            post.pop("date_modified", None)
        self.posts[id] = post
        return post

    def listed(self) -> list[dict[str, Any]]:
        shown = [dict(post) for post in self.posts.values() if post["status"] != "deleted"]
        return sorted(shown, key=lambda post: post["sort_time"], reverse=True)

    def totals(self) -> dict[str, Any]:
        listed = self.listed()
        return {
            "version": self.seq,
            "post_count": sum(post["status"] == "published" for post in listed),
            "listed_count": len(listed),
            "date_modified": "2026-11-22T11:00:00.000Z",
            "pinned_post_id": self.pinned,
        }

    def story(self) -> dict[str, Any]:
        return {"slug": "s", "url": "/live/s", "headline": f"At {self.seq}", "status": "live", **self.totals()}

    def state(self, held: int) -> StoryState:
        listed = self.listed()
        keys = [key_event(post) for post in listed if post["status"] == "published" and post.get("is_key_event")]
        return StoryState("e1", self.seq, self.story(), listed[:held], None, keys, keep=EVERYTHING)

    def event(self) -> dict[str, Any]:
        """The next thing that happens."""
        self.seq += 1
        told = {"epoch": "e1", "seq": self.seq, "at": "2026-11-22T11:00:00.000Z"}
        kind = self.dice.choice(["new", "new", "edit", "edit", "withdraw", "delete", "restore", "pin", "story"])
        post = self.dice.choice(list(self.posts.values()))
        if kind == "new":
            post = self._new(f"b{self.seq}")
            return {"type": "post.published", **told, "post": dict(post), "story": self.totals()}
        if kind == "restore" and post["status"] != "published":
            post.update(status="published", version=post["version"] + 1)
            return {"type": "post.published", **told, "post": dict(post), "story": self.totals()}
        if kind == "edit" and post["status"] == "published":
            line = "headline" if "headline" in post else "label"
            post.update({"version": post["version"] + 1, line: f"{post[line]}!"})
            if post.pop("is_key_event", False) is False:
                post["is_key_event"] = True
            return {"type": "post.updated", **told, "post": dict(post), "story": self.totals()}
        if kind == "withdraw" and post["status"] == "published":
            post.update(status="withdrawn", version=post["version"] + 1)
            names = ("id", "url", "status", "version", "date_published", "date_modified", "sort_time")
            note = {name: post[name] for name in names if name in post}
            return {"type": "post.withdrawn", **told, "post": note, "story": self.totals()}
        if kind == "delete" and post["status"] != "deleted":
            post.update(status="deleted", version=post["version"] + 1)
            self.pinned = None if self.pinned == post["id"] else self.pinned
            return {"type": "post.deleted", **told, "post_id": post["id"], "story": self.totals()}
        if kind == "pin" and post["status"] == "published":
            self.pinned = post["id"]
            return {"type": "story.updated", **told, "story": self.story(), "pinned": dict(post)}
        if kind == "story":
            self.pinned = None
        return {"type": "story.updated", **told, "story": self.story()}


@pytest.mark.parametrize("held", [3, EVERYTHING])
async def test_both_folds_agree_after_every_event(site, held):
    page = await site.open("/")
    for seed in range(25):
        newsroom = Newsroom(seed)
        state = newsroom.state(held)
        first = orjson.loads(orjson.dumps(state.snapshot(EVERYTHING, 1 << 30)))
        events = [newsroom.event() for _ in range(60)]
        told = await page.evaluate(FOLD, {"first": first, "events": events})
        for event, mine in zip(events, told, strict=True):
            state.apply(event)
            assert mine == state.snapshot(EVERYTHING, 1 << 30), f"seed {seed}, {event}"
        # All at once, as a resume brings them, is the same.
        resumed = {"type": "resumed", "epoch": "e1", "seq": events[-1]["seq"], "events": events}
        assert (await page.evaluate(FOLD, {"first": first, "events": [resumed]}))[0] == told[-1]


async def test_what_does_not_follow_is_refused(site):
    page = await site.open("/")
    newsroom = Newsroom(1)
    first = newsroom.state(EVERYTHING).snapshot(EVERYTHING, 1 << 30)
    event = newsroom.event()
    wanted = [
        (event, "changed"),
        ({**event, "seq": event["seq"] - 1}, "same"),
        ({**event, "seq": event["seq"] + 1}, "gap"),
        ({**event, "epoch": "e2"}, "gap"),
        ({"type": "post.dreamt", "epoch": "e1", "seq": event["seq"], "at": event["at"]}, "changed"),
        ({"type": "from.the.future"}, "same"),
        ({"type": "beat", "seq": 9, "server_time": event["at"]}, "same"),
        ({"type": "resumed", "epoch": "e1", "seq": event["seq"], "events": [event]}, "changed"),
        ({"type": "resumed", "epoch": "e1", "seq": event["seq"] + 1, "events": [event]}, "gap"),
        ({"type": "resumed", "epoch": "e2", "seq": event["seq"], "events": []}, "gap"),
    ]
    for message, outcome in wanted:
        assert await page.evaluate(REFUSE, {"first": first, "message": message}) == outcome, message
