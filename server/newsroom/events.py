"""Events: what a story's channel, log and readers are told, by type; and reading one that is heard.

An event is the dictionary that its JSON is: nothing is copied or decoded into another shape, so fields that this
version does not know go through it.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import msgspec
import orjson

from .times import stored_ms

POST_PUBLISHED: Final = "post.published"
POST_UPDATED: Final = "post.updated"
POST_WITHDRAWN: Final = "post.withdrawn"
POST_DELETED: Final = "post.deleted"
STORY_UPDATED: Final = "story.updated"
STORY_ENDED: Final = "story.ended"
STORY_REOPENED: Final = "story.reopened"
STORY_DELETED: Final = "story.deleted"
RESET: Final = "reset"  # no event: the log begins anew, read the story again

PostEventType = Literal["post.published", "post.updated", "post.withdrawn"]
StoryEventType = Literal["story.updated", "story.ended", "story.reopened", "story.deleted"]
EventType = Literal[PostEventType, StoryEventType, "post.deleted"]
POST_EVENTS: Final = frozenset(get_args(PostEventType))  # bring the post as it is now
STORY_EVENTS: Final = frozenset(get_args(StoryEventType))
EVENTS: Final = frozenset(get_args(EventType))
RETRACTIONS: Final = frozenset({POST_WITHDRAWN, POST_DELETED})


class _Counts(msgspec.Struct, kw_only=True):
    post_count: int
    listed_count: int
    pinned_post_id: str | None


class _Story(_Counts):
    status: str


class _Post(msgspec.Struct):
    id: str
    version: int
    status: str
    sort_time: str


class _Reset(msgspec.Struct, kw_only=True):
    epoch: str
    seq: int


class _PostEvent(_Reset):
    at: str
    post: _Post
    story: _Counts


class _Deletion(_Reset):
    at: str
    post_id: str
    story: _Counts


class _StoryEvent(_Reset):
    at: str
    story: _Story
    pinned: _Post | None = None


# What the fold touches of each event, whatever else it holds.
_SHAPES = {
    RESET: _Reset,
    POST_DELETED: _Deletion,
    **dict.fromkeys(POST_EVENTS, _PostEvent),
    **dict.fromkeys(STORY_EVENTS, _StoryEvent),
}


def read_event(data: bytes) -> dict[str, Any] | None:
    """A message of the channel, if it is an event: anybody who may write to the server may publish there."""
    try:
        event: dict[str, Any] = orjson.loads(data)
        msgspec.convert(event, _SHAPES[event["type"]])
        if event["type"] != RESET:
            stored_ms(event["at"])
    except (ValueError, KeyError, TypeError):  # msgspec's and orjson's own are ValueErrors
        return None
    return event


def redacted(event: dict[str, Any], current: dict[str, Any] | None) -> dict[str, Any]:
    """An event of a post that has been retracted since, as it may still be told.

    `current` is the public post as it stands (status withdrawn), or None when it was deleted. Seq, time and totals
    stay, so positions keep their meaning; the text is gone.
    """
    if "pinned" in event:
        # A story's event that carried the post along when it was pinned.
        told = {name: held for name, held in event.items() if name != "pinned"}
        return told if current is None else {**told, "pinned": current}
    told = {name: event[name] for name in ("type", "epoch", "seq", "at")}
    if current is None:
        told["type"] = POST_DELETED
        told["post_id"] = post_id_of(event)
    else:
        told["type"] = POST_WITHDRAWN
        told["post"] = current
    told["story"] = event["story"]
    return told


def post_id_of(event: dict[str, Any]) -> str | None:
    """The post whose text an event carries or ends, if any."""
    post = event.get("post") or event.get("pinned")
    return post["id"] if post else event.get("post_id")
