"""Chronicle: what happened in a story, event by event, in words; and only what the events prove.

It never looks anything up.

An event says what is now. What happened is the difference to what was, which is known of the posts of the snapshot and
of those heard of since; of others, and after a gap, it says no more than the event itself.
"""

from __future__ import annotations

from ..newsroom.events import Event, PostEvent, Snapshot, StoryEvent, View
from ..newsroom.label import label
from . import compare

Row = tuple[str, str, str, str]  # when (RFC 3339), what, which post or story, about what
# What a story's editors change; the rest of it is counted by the store.
_STORY = {
    "headline": "headline", "description": "description", "summary_points": "summary", "authors": "authors",
    "lead_image": "lead image", "time_zone": "time zone", "display_time_zones": "time zones", "default_sort": "order",
    "coverage_start_time": "start", "coverage_end_time": "end", "language": "language",
}  # fmt: skip


class Chronicle:
    """Fold a story's messages, in order; `zone` is the story's own, once it is known."""

    def __init__(self) -> None:
        self._posts: dict[str, View] = {}
        self._story: View = {}

    @property
    def zone(self) -> str:
        return str(self._story.get("time_zone") or "UTC")

    def begin(self, snapshot: Snapshot) -> None:
        """What is, without a word on how it came."""
        self._story = snapshot["story"]
        shown = [*snapshot["posts"], snapshot["pinned"]]
        self._posts = {post["id"]: post for post in shown if post}

    def row(self, event: Event) -> Row:
        """The line for an event."""
        kind = event["type"].partition(".")[2]
        if "post" in event:
            row = self._post_row(kind, event)
        elif "post_id" in event:
            was = self._posts.pop(event["post_id"], None)
            # Of a post that was deleted since, a resumed stream tells every event as the deletion.
            row = event["at"], "deleted" if was else "gone", event["post_id"], _about(was or {})
        else:
            row = event["at"], *self._story_words(kind, event)
        self._story = {**self._story, **event["story"]}
        return row

    def _post_row(self, kind: str, event: PostEvent) -> Row:
        post = event["post"]
        was, self._posts[post["id"]] = self._posts.get(post["id"]), post
        if kind == "published":
            what = "published" if post["version"] == 1 else "restored"
            pinned = event["story"].get("pinned_post_id") == post["id"]
            return event["at"], what, post["id"], _about(post) + (" (pinned)" if pinned else "")
        if kind == "withdrawn":
            # Of a post that was withdrawn since, a resumed stream tells every event as the withdrawal.
            what = "withdrawn" if post.get("date_withdrawn") == event["at"] else "changed"
            return event["at"], what, post["id"], _about(post)
        return event["at"], *self._edit(event["at"], was, post)

    @staticmethod
    def _edit(at: str, was: View | None, post: View) -> tuple[str, str, str]:
        corrections = post.get("corrections", [])
        if any(one["date_published"] == at for one in corrections):
            one = corrections[-1]
            what = "corrected" if one["kind"] == "correction" else one["kind"]
            return what, post["id"], f"{_about(post)}: {one['text']}"
        changed = compare.fields(was, post) if was and was["status"] == "published" else []
        about = [", ".join(changed)] if changed else []
        if post.get("change_note") and post["date_modified"] == at:
            about.append(post["change_note"])
        return "edited", post["id"], _about(post) + (f" ({'; '.join(about)})" if about else "")

    def _story_words(self, kind: str, event: StoryEvent) -> tuple[str, str, str]:
        story, was = event["story"], self._story
        pinned = event.get("pinned")
        if pinned:
            return "pinned", pinned["id"], _about(pinned)
        headline = story.get("headline", "")
        if kind != "updated":
            return kind, story["slug"], headline
        if event["seq"] == 1:
            return "created", story["slug"], headline
        if not was:
            return "changed", story["slug"], headline
        if was["pinned_post_id"] and not story["pinned_post_id"]:
            return "unpinned", was["pinned_post_id"], _about(self._posts.get(was["pinned_post_id"], {}))
        if was["status"] != story["status"]:
            return "started", story["slug"], headline
        changed = [name for field, name in _STORY.items() if was.get(field) != story.get(field)]
        return "edited", story["slug"], headline + (f" ({', '.join(changed)})" if changed else "")


def _about(post: View) -> str:
    return str(post.get("withdrawal_note") or label(post)) if post else ""
