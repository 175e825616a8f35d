"""Message: what is heard on a story's channel, if it is an event."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from ..newsroom.times import stored_ms


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
    "reset": _Reset,
    "post.deleted": _Deletion,
    **dict.fromkeys(("post.published", "post.updated", "post.withdrawn"), _PostEvent),
    **dict.fromkeys(("story.updated", "story.ended", "story.reopened", "story.deleted"), _StoryEvent),
}


def read_event(data: bytes) -> dict[str, Any] | None:
    """A message of the channel, if it is an event: anybody who may write to the server may publish there."""
    try:
        event = orjson.loads(data)
        msgspec.convert(event, _SHAPES[event["type"]])
        if event["type"] != "reset":
            stored_ms(event["at"])
    except (ValueError, KeyError, TypeError):  # msgspec's and orjson's own are ValueErrors
        return None
    return event
