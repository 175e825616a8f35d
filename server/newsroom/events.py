"""Events: what a story's channel, log and readers are told, by type; and reading one that is heard.

A message is the dictionary that its JSON is: nothing is copied or decoded into another shape, so fields that this
version does not know go through it. The types here are for who reads the code, and for the checker (docs/protocol.md,
section 3, says when each is sent).
"""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired, TypedDict, cast, final, get_args

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
SNAPSHOT: Final = "snapshot"
RESUMED: Final = "resumed"
HELLO: Final = "hello"
BEAT: Final = "beat"
READERS: Final = "readers"
STALE: Final = "stale"
LIVE: Final = "live"
BYE: Final = "bye"

PostEventType = Literal["post.published", "post.updated", "post.withdrawn"]
StoryEventType = Literal["story.updated", "story.ended", "story.reopened", "story.deleted"]
EventType = Literal[PostEventType, StoryEventType, "post.deleted"]
POST_EVENTS: Final = frozenset(get_args(PostEventType))  # bring the post as it is now
STORY_EVENTS: Final = frozenset(get_args(StoryEventType))
EVENTS: Final = frozenset(get_args(EventType))
RETRACTIONS: Final = frozenset({POST_WITHDRAWN, POST_DELETED})

View = dict[str, Any]  # a post or a story as `public.py` makes it: its fields are the model's


class _Positioned(TypedDict):
    epoch: str
    seq: int


class _Dated(_Positioned):
    at: str


@final
class PostEvent(_Dated):
    """`story`: its totals."""

    type: PostEventType
    post: View
    story: View


@final
class PostDeletion(_Dated):
    type: Literal["post.deleted"]
    post_id: str
    story: View


@final
class StoryEvent(_Dated):
    """`story`: whole. `pinned`: the post that was just pinned."""

    type: StoryEventType
    story: View
    pinned: NotRequired[View | None]


@final
class Reset(_Positioned):
    type: Literal["reset"]


@final
class Snapshot(_Positioned):
    type: Literal["snapshot"]
    story: View
    posts: list[View]
    has_more: bool
    pinned: View | None
    key_events: list[View]


@final
class Resumed(_Positioned):
    """`events`: written behind it, from frames at hand; who reads a stream finds them in it."""

    type: Literal["resumed"]
    events: NotRequired[list[Event]]


@final
class Hello(TypedDict):
    """`sample`: the share of readers that report painting."""

    type: Literal["hello"]
    server_time: str
    readers: int
    sample: float
    stale_since: str | None


@final
class Beat(TypedDict):
    type: Literal["beat"]
    seq: int
    server_time: str


@final
class Readers(TypedDict):
    type: Literal["readers"]
    count: int


@final
class Stale(TypedDict):
    type: Literal["stale"]
    since: str


@final
class Live(TypedDict):
    type: Literal["live"]


@final
class Bye(TypedDict):
    type: Literal["bye"]
    retry_ms: int


Event = PostEvent | PostDeletion | StoryEvent
# Not by names of other unions: mypy narrows by a key only what is written out.
Message = PostEvent | PostDeletion | StoryEvent | Snapshot | Resumed | Hello | Beat | Readers | Stale | Live | Bye


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


def read_event(data: bytes) -> Event | Reset | None:
    """A message of the channel, if it is an event: anybody who may write to the server may publish there."""
    try:
        event = orjson.loads(data)
        msgspec.convert(event, _SHAPES[event["type"]])
        if event["type"] != RESET:
            stored_ms(event["at"])
    except (ValueError, KeyError, TypeError):  # msgspec's and orjson's own are ValueErrors
        return None
    return cast(Event | Reset, event)


def is_event(type: str) -> bool:
    """Does a message of this type take a seq? Those of a later version do too."""
    return is_of_post(type) or type.startswith("story.")


def is_of_post(type: str) -> bool:
    return type.startswith("post.")


def redacted(event: Event, current: View | None) -> Event:
    """An event of a post that has been retracted since, as it may still be told.

    `current` is the public post as it stands (status withdrawn), or None when it was deleted. Seq, time and totals
    stay, so positions keep their meaning; the text is gone.
    """
    if "pinned" in event:
        # A story's event that carried the post along when it was pinned.
        story_event = event.copy()
        del story_event["pinned"]
        if current is not None:
            story_event["pinned"] = current
        return story_event
    epoch, seq, at, story = event["epoch"], event["seq"], event["at"], event["story"]
    if current is None:
        post_id = post_id_of(event) or ""
        return {"type": POST_DELETED, "epoch": epoch, "seq": seq, "at": at, "post_id": post_id, "story": story}
    return {"type": POST_WITHDRAWN, "epoch": epoch, "seq": seq, "at": at, "post": current, "story": story}


def post_id_of(event: Event) -> str | None:
    """The post whose text an event carries or ends, if any."""
    if "post_id" in event:
        return event["post_id"]
    post = event["post"] if "post" in event else event.get("pinned")
    return post["id"] if post else None
