"""A tiny newsroom for property tests: an editor who makes valid events, and a client that folds them.

Both are written from PROTOCOL.md alone and share no code with the hub, so that a mistake is not made twice.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from stoppress.hub.state import StoryState

EPOCH = "e1"
TOTALS = ("version", "post_count", "listed_count", "date_modified", "pinned_post_id")


def moment(n: int) -> str:
    return f"2026-11-22T{n // 3_600_000 % 24:02}:{n // 60_000 % 60:02}:{n // 1000 % 60:02}.{n % 1000:03}Z"


def encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass
class Editor:
    """The whole truth of one story; each operation that changes something returns its event."""

    epoch: str = EPOCH
    seq: int = 0
    status: str = "live"
    headline: str = "Lighthouse"
    pinned: str | None = None
    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_public: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: int = 0

    # The truth

    def listed(self) -> list[dict[str, Any]]:
        if self.status == "deleted":
            return []
        held = [post for post in self.posts.values() if post["status"] in ("published", "withdrawn")]
        return sorted(held, key=lambda post: post["sort_time"], reverse=True)

    def totals(self) -> dict[str, Any]:
        count = [post["status"] for post in self.posts.values()].count  # a deleted story's totals stay as they were
        published, withdrawn = count("published"), count("withdrawn")
        held = (self.seq, published, published + withdrawn, moment(self.seq), self.pinned)
        return dict(zip(TOTALS, held, strict=True))

    def story(self) -> dict[str, Any]:
        return {"slug": "a", "headline": self.headline, "status": self.status, **self.totals()}

    def key_events(self) -> list[dict[str, Any]]:
        marked = [post for post in self.listed() if post["status"] == "published" and post.get("is_key_event")]
        return [
            {name: post[name] for name in ("id", "headline", "date_published", "sort_time", "url")} for post in marked
        ]

    def snapshot(self, backlog: int, max_bytes: int) -> dict[str, Any]:
        listed = self.listed()
        shown: list[dict[str, Any]] = []
        for post in listed[:backlog]:
            if shown and sum(len(encoded(held)) for held in [*shown, post]) > max_bytes:
                break
            shown.append(post)
        return {
            "type": "snapshot",
            "epoch": self.epoch,
            "seq": self.seq,
            "story": self.story(),
            "posts": shown,
            "has_more": len(listed) > len(shown),
            "pinned": self.posts[self.pinned] if self.pinned else None,
            "key_events": self.key_events(),
        }

    def load(self, keep: int) -> StoryState:
        """What the store gives a hub."""
        whole = copy.deepcopy(self.snapshot(keep, 10**9))
        parts = (whole["story"], whole["posts"], whole["pinned"], whole["key_events"])
        return StoryState(self.epoch, self.seq, *parts, keep=keep)

    def secrets(self) -> set[str]:
        """Texts that may not be told any more."""
        told: set[str] = set()
        for id, post in self.posts.items():
            if self.status == "deleted" or post["status"] != "published":
                told.add(f"<{id}>")
            if self.status == "deleted" or post["status"] == "deleted":
                told.add(f"note of {id};")
        return told

    # Operations

    def publish(self, offset: int, key: bool, pin: bool) -> dict[str, Any]:
        self.made += 1
        id = f"p{self.made}"
        if pin:
            self.pinned = id
        return self._public(self._post(id, 1, self._free(offset), key), "post.published")

    def edit(self, id: str, key: bool) -> dict[str, Any]:
        old = self.posts[id]
        return self._public(self._post(id, old["version"] + 1, old["sort_time"], key), "post.updated")

    def move(self, id: str, offset: int) -> dict[str, Any]:
        """Another place, which the fold rules allow (posts are upserts), whatever today's editors can do."""
        old = self.posts[id]
        return self._public({**old, "version": old["version"] + 1, "sort_time": self._free(offset)}, "post.updated")

    def withdraw(self, id: str) -> dict[str, Any]:
        old = self.posts[id]
        self.last_public[id] = old
        kept = {name: old[name] for name in ("id", "url")}
        note = {"withdrawal_note": f"note of {id};", "date_withdrawn": moment(self.seq)}
        times = {"date_published": old["date_published"], "sort_time": old["sort_time"]}
        post = {**kept, "status": "withdrawn", "version": old["version"] + 1, **times, **note}
        return self._public(post, "post.withdrawn")

    def restore(self, id: str) -> dict[str, Any]:
        old, public = self.posts[id], self.last_public[id]
        return self._public({**public, "version": old["version"] + 1}, "post.published")

    def delete(self, id: str) -> dict[str, Any]:
        old = self.posts[id]
        if old["status"] == "published":
            self.last_public[id] = old
        version = old["version"] + 1
        self.posts[id] = {"id": id, "status": "deleted", "version": version, "sort_time": old["sort_time"]}
        if self.pinned == id:
            self.pinned = None
        self.seq += 1
        return self._event("post.deleted", post_id=id, story=self.totals())

    def pin(self, id: str) -> dict[str, Any]:
        self.pinned = id
        self.seq += 1
        return self._event("story.updated", story=self.story(), pinned=self.posts[id])

    def unpin(self) -> dict[str, Any]:
        self.pinned = None
        self.seq += 1
        return self._event("story.updated", story=self.story())

    def tell(self, type_: str, status: str, headline: str) -> dict[str, Any]:
        self.status, self.headline = status, headline
        self.seq += 1
        return self._event(type_, story=self.story())

    def delete_story(self) -> dict[str, Any]:
        self.status, self.pinned = "deleted", None
        self.seq += 1
        return self._event("story.deleted", story=self.story())

    def _free(self, offset: int) -> str:
        """A sort_time nobody has, so many posts back from now."""
        sort = self.made * 1000 - offset * 1000 - (1 if offset else 0)  # offset > 0: a post from the past
        while any(post["sort_time"] == moment(10_000_000 + sort) for post in self.posts.values()):
            sort += 1
        return moment(10_000_000 + sort)

    def _post(self, id: str, version: int, sort_time: str, key: bool) -> dict[str, Any]:
        text = {"headline": f"<{id}> v{version}", "content_html": f"<{id}>" * (1 + version % 3)}
        times = {"date_published": sort_time, "sort_time": sort_time}
        post = {"id": id, "url": f"/live/a/posts/{id}", "status": "published", "version": version, **text, **times}
        return {**post, "is_key_event": True} if key else post

    def _public(self, post: dict[str, Any], type_: str) -> dict[str, Any]:
        self.posts[post["id"]] = post
        self.seq += 1
        return self._event(type_, post=post, story=self.totals())

    def _event(self, type_: str, **parts: Any) -> dict[str, Any]:
        return {"type": type_, "epoch": self.epoch, "seq": self.seq, "at": moment(self.seq), **parts}


@dataclass
class Client:
    """What a client holds, and the fold it makes (PROTOCOL section 3)."""

    epoch: str
    seq: int
    story: dict[str, Any]
    posts: list[dict[str, Any]]
    pinned: dict[str, Any] | None
    key_events: list[dict[str, Any]]

    @classmethod
    def of(cls, snapshot: dict[str, Any]) -> Client:
        held = copy.deepcopy(snapshot)
        names = ("epoch", "seq", "story", "posts", "pinned", "key_events")
        return cls(**{name: held[name] for name in names})

    @property
    def has_more(self) -> bool:
        return self.story["listed_count"] > len(self.posts)

    def fold(self, event: dict[str, Any]) -> None:
        assert (event["epoch"], event["seq"]) == (self.epoch, self.seq + 1), "out of order"
        event = copy.deepcopy(event)
        self.seq = event["seq"]
        had_more = self.has_more
        type_ = event["type"]
        if type_.startswith("story."):
            self.story = event["story"]
        else:
            self.story.update(event["story"])
        if type_ == "story.deleted":
            self.posts, self.pinned, self.key_events = [], None, []
            return
        id = event["post"]["id"] if "post" in event else event.get("post_id")
        if id is not None:
            self.key_events = [line for line in self.key_events if line["id"] != id]
        if type_ == "post.deleted":
            self.posts = [post for post in self.posts if post["id"] != id]
        elif "post" in event:
            self._upsert(event["post"], had_more)
        told = event.get("post") or event.get("pinned")
        wanted = self.story["pinned_post_id"]
        if wanted is None:
            self.pinned = None
        elif told and told["id"] == wanted:
            self.pinned = told
        elif self.pinned is None or self.pinned["id"] != wanted:
            self.pinned = next((post for post in self.posts if post["id"] == wanted), None)

    def _upsert(self, post: dict[str, Any], had_more: bool) -> None:
        if post["status"] == "published" and post.get("is_key_event"):
            line = {name: post[name] for name in ("id", "headline", "date_published", "sort_time", "url")}
            self.key_events = sorted([*self.key_events, line], key=lambda line: line["sort_time"], reverse=True)
        is_where_it_was = any((held["id"], held["sort_time"]) == (post["id"], post["sort_time"]) for held in self.posts)
        rest = [held for held in self.posts if held["id"] != post["id"]]
        if not is_where_it_was and had_more and post["sort_time"] < (rest[-1]["sort_time"] if rest else "9"):
            self.posts = rest
            return
        self.posts = sorted([*rest, post], key=lambda held: held["sort_time"], reverse=True)

    def snapshot(self, backlog: int, max_bytes: int) -> dict[str, Any]:
        """As the hub would say it, if the client holds as much."""
        shown: list[dict[str, Any]] = []
        for post in self.posts[:backlog]:
            if shown and sum(len(encoded(held)) for held in [*shown, post]) > max_bytes:
                break
            shown.append(post)
        return {
            "type": "snapshot",
            "epoch": self.epoch,
            "seq": self.seq,
            "story": self.story,
            "posts": shown,
            "has_more": self.story["status"] != "deleted" and self.story["listed_count"] > len(shown),
            "pinned": self.pinned,
            "key_events": self.key_events,
        }


@dataclass
class Moment:
    """One event, and the truth after it."""

    event: dict[str, Any]
    truth: Editor

    @property
    def payload(self) -> bytes:
        return encoded(self.event)


@st.composite
def histories(draw: st.DrawFn, most: int = 30, may_end: bool = False) -> list[Moment]:
    """A valid history from the first event on; old posts are touched as often as new ones."""
    editor = Editor()
    told: list[Moment] = []
    opening = draw(st.integers(0, 12))  # enough that a hub cannot hold all
    for n in range(opening + draw(st.integers(1, most))):
        event = editor.publish(0, n % 3 == 0, pin=False) if n < opening else _step(draw, editor, may_end)
        told.append(Moment(copy.deepcopy(event), copy.deepcopy(editor)))
        if editor.status == "deleted":
            break
    return told


def _step(draw: st.DrawFn, editor: Editor, may_end: bool) -> dict[str, Any]:
    published = [id for id, post in editor.posts.items() if post["status"] == "published"]
    listed = [post["id"] for post in editor.listed()]
    gone = [id for id, post in editor.posts.items() if post["status"] != "published" and id in editor.last_public]
    flag = st.booleans()
    choices = ["publish", "publish", "publish", "publish", "tell"]
    choices += ["edit", "withdraw", "move"] * bool(published) + ["delete", "delete", "pin"] * bool(listed)
    choices += ["restore"] * bool(gone) + ["unpin"] * bool(editor.pinned) + ["delete_story"] * may_end
    choice = draw(st.sampled_from(choices))
    if choice == "publish":
        return editor.publish(draw(st.sampled_from([0, 0, 1, 3, 10])), draw(flag), draw(flag) and draw(flag))
    if choice == "edit":
        return editor.edit(draw(st.sampled_from(published)), draw(flag))
    if choice == "move":
        return editor.move(draw(st.sampled_from(published)), draw(st.sampled_from([0, 1, 3, 10])))
    if choice == "withdraw":
        return editor.withdraw(draw(st.sampled_from(published)))
    if choice == "delete":
        return editor.delete(draw(st.sampled_from(listed)))
    if choice == "pin":
        return editor.pin(draw(st.sampled_from(listed)))
    if choice == "restore":
        return editor.restore(draw(st.sampled_from(gone)))
    if choice == "unpin":
        return editor.unpin()
    if choice == "delete_story":
        return editor.delete_story()
    type_, status = draw(st.sampled_from([("updated", editor.status), ("ended", "ended"), ("reopened", "live")]))
    return editor.tell(f"story.{type_}", status, f"Lighthouse {editor.seq}")
