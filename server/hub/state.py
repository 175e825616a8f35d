"""StoryState: what a hub knows of one story, and the fold that carries it from event to event.

Pure. The fold is the one every client makes (PROTOCOL section 3), so the state equals the store's at the same seq.
Held are the newest posts in one unbroken run: a post is held if and only if it is not older than the oldest held one,
or all listed posts are held. Post dictionaries are shared with events and never changed in place.
"""

from __future__ import annotations

import orjson

from ..newsroom.events import POST_DELETED, SNAPSHOT, Event, Snapshot, View
from ..newsroom.public import key_event


class StoryState:
    """One story at one position.

    `story`: the story view with totals. `posts`: public posts, newest first, at most `keep` (give more, and the
    oldest go). `key_events`: all of the story, newest first. The lists are taken over, not copied.
    """

    __slots__ = ("_ids", "epoch", "keep", "key_events", "pinned", "posts", "seq", "story")

    def __init__(
        self,
        epoch: str,
        seq: int,
        story: View,
        posts: list[View],
        pinned: View | None,
        key_events: list[View],
        keep: int = 100,
    ) -> None:
        self.epoch = epoch
        self.seq = seq
        self.story = story
        self.posts = posts
        self.pinned = pinned
        self.key_events = key_events
        self.keep = keep
        del self.posts[keep:]
        self._ids = {post["id"] for post in posts}

    @property
    def deleted(self) -> bool:
        return bool(self.story["status"] == "deleted")

    @property
    def complete(self) -> bool:
        """Are all listed posts held?"""
        return self.deleted or self.story["listed_count"] <= len(self.posts)

    def short(self, backlog: int) -> bool:
        """Deletions left fewer posts than a snapshot shows, while the store has more: read it again."""
        return len(self.posts) < backlog and not self.complete

    def apply(self, event: Event) -> None:
        """Fold one event in; it must be the next seq of the same epoch (ValueError)."""
        if event["epoch"] != self.epoch or event["seq"] != self.seq + 1:
            raise ValueError(f"{event['epoch']}:{event['seq']} does not follow {self.epoch}:{self.seq}")
        self.seq += 1
        post: View | None = None
        if "post" in event:
            post = event["post"]
            # has_more as it was before this event: the totals of the event count the new post already.
            was_complete = self.complete
            self.story = {**self.story, **event["story"]}
            self._put(post, was_complete)
        elif event["type"] == POST_DELETED:
            self.story = {**self.story, **event["story"]}
            self._remove(event["post_id"])
        else:
            self.story, post = event["story"], event.get("pinned")
        if self.deleted:
            self.posts, self.key_events, self.pinned = [], [], None
            self._ids.clear()
        else:
            self._pin(post)

    def snapshot(self, backlog: int, max_bytes: int) -> Snapshot:
        """The message `snapshot`: the newest posts, at most `backlog` and `max_bytes` encoded, but at least one."""
        shown: list[View] = []
        room = max_bytes
        for post in self.posts[:backlog]:
            room -= len(orjson.dumps(post))
            if room < 0 and shown:
                break
            shown.append(post)
        return {
            "type": SNAPSHOT,
            "epoch": self.epoch,
            "seq": self.seq,
            "story": self.story,
            "posts": shown,
            "has_more": not self.deleted and self.story["listed_count"] > len(shown),
            "pinned": self.pinned,
            "key_events": list(self.key_events),  # the state goes on, the snapshot stays
        }

    def _put(self, post: View, was_complete: bool) -> None:
        posts = self.posts
        at = self._find(post["id"])
        if at is not None:
            if posts[at]["version"] > post["version"]:
                return
            if posts[at]["sort_time"] == post["sort_time"]:
                posts[at] = post
            else:
                self._drop(at)
                at = None
        if at is None:
            older = not posts or post["sort_time"] < posts[-1]["sort_time"]
            if was_complete or not older:
                posts.insert(_place(posts, post), post)
                self._ids.add(post["id"])
                if len(posts) > self.keep:
                    self._drop(-1)
        self._forget_key(post["id"])
        if post.get("is_key_event") and post["status"] == "published":
            self.key_events.insert(_place(self.key_events, post), key_event(post))

    def _find(self, post_id: str) -> int | None:
        """Where the post is held. Most are new, and looking at a hundred old ones is a tenth of what an event costs."""
        if post_id not in self._ids:
            return None
        return next(n for n, old in enumerate(self.posts) if old["id"] == post_id)

    def _drop(self, n: int) -> None:
        self._ids.remove(self.posts.pop(n)["id"])

    def _remove(self, post_id: str) -> None:
        at = self._find(post_id)
        if at is not None:
            self._drop(at)
        self._forget_key(post_id)

    def _forget_key(self, post_id: str) -> None:
        self.key_events[:] = [line for line in self.key_events if line["id"] != post_id]

    def _pin(self, post: View | None) -> None:
        """`post`: the one this event carries, if any."""
        pinned_id = self.story["pinned_post_id"]
        if pinned_id is None:
            self.pinned = None
        elif post is not None and post["id"] == pinned_id:
            if self.pinned is None or self.pinned["id"] != pinned_id or self.pinned["version"] <= post["version"]:
                self.pinned = post
        elif self.pinned is None or self.pinned["id"] != pinned_id:
            self.pinned = next((other for other in self.posts if other["id"] == pinned_id), None)


def _place(entries: list[View], new: View) -> int:
    """Where `new` belongs, newest first. Sort times are unique and of one width, so text order is time order."""
    # Live posts are newest nearly always: the first comparison answers.
    for n, entry in enumerate(entries):
        if entry["sort_time"] < new["sort_time"]:
            return n
    return len(entries)
