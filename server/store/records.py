"""Records: what goes into the store's scripts and what comes out, as this program's own values and errors.

Owns the stored forms, and never talks to a server.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
import orjson

from ..newsroom.errors import ConflictError, GoneError, NotFoundError, StoreError, VersionError
from ..newsroom.events import POST_DELETED, RESET, Event, is_of_post, redacted
from ..newsroom.model import Change, Post, Story, Totals
from ..newsroom.public import is_listed, public_post, story_view
from ..newsroom.times import parse_time


class StaleStoryError(ConflictError):
    """The story is not as the change was decided on: read it, decide again."""


class UnreadableError(StoreError):
    """What the store holds of one story is not what Stoppress wrote there; the others are in order."""


class KeyReusedError(ConflictError):
    """An idempotency key came before, with another request."""


class StoryGoneError(GoneError):
    """The story was deleted, and that was the event at `epoch` and `seq`."""

    def __init__(self, slug: str, epoch: str, seq: int) -> None:
        super().__init__(f"the story {slug} was deleted; a slug never returns")
        self.epoch = epoch
        self.seq = seq


T = TypeVar("T")


def _decoder(kind: type[T], what: str) -> Callable[[str, bytes], T]:
    """From stored JSON of the story `slug`; StoreError when it is no such JSON: somebody else wrote it."""
    decode = msgspec.json.Decoder(kind).decode

    def of(slug: str, held: bytes) -> T:
        try:
            return decode(held)
        except msgspec.DecodeError as error:
            raise UnreadableError(
                f"{what} of the story {slug} cannot be read as the store holds it ({error}); "
                "put it right there, or go back to a backup"
            ) from None

    return of


post_of = _decoder(Post, "a post")
story_of = _decoder(Story, "the doc")
totals_of = _decoder(Totals, "the totals")


@dataclass(frozen=True, slots=True)
class StoredStory:
    story: Story
    totals: Totals
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a post, and for editors alone: who made it and when. Both are empty where nobody wrote it down."""

    post: Post
    changed_by: str = ""
    changed_at: str = ""

    @classmethod
    def read(cls, slug: str, post: bytes, by: bytes) -> Revision:
        return cls(post_of(slug, post), **(orjson.loads(by) if by else {}))


def author(by: str, at: str) -> bytes:
    """What is kept beside a revision, and never in the post itself: that one goes to readers and into exports."""
    return orjson.dumps({"changed_by": by, "changed_at": at})


@dataclass(frozen=True, slots=True)
class Committed:
    """What a change answered: the post or the story as it left it. `replayed`: nothing was stored now."""

    epoch: str
    seq: int
    post: Post | None
    replayed: bool
    totals: Totals
    story: Story | None = None

    def packed(self, fingerprint: str) -> str:
        """As `commit.lua` keeps it for a key. A post's text stays where a purge finds it."""
        totals = msgspec.json.encode(self.totals).decode()
        post = (self.post.id, str(self.post.version)) if self.post else ("", "")
        story = msgspec.json.encode(self.story).decode() if self.story else ""
        return "\n".join((fingerprint, self.epoch, str(self.seq), totals, *post, story))


def unpacked(slug: str, kept: bytes, fingerprint: str) -> tuple[Committed, str, int]:
    """What a key keeps: the answer without its post, and that post's id ("" = none) and version. KeyReusedError when
    that was the answer to another request."""
    try:
        asked, epoch, seq, totals, id, version, *doc = kept.decode().split("\n")
        at, number = int(seq), int(version or 0)
    except ValueError:
        raise UnreadableError(f"what the story {slug} keeps for this key cannot be read; take a new key") from None
    if asked != fingerprint:
        raise KeyReusedError("Idempotency-Key: was used for another request already; take a new one for this")
    story = story_of(slug, doc[0].encode()) if doc and doc[0] else None
    return Committed(epoch, at, None, True, totals_of(slug, totals.encode()), story), id, number


def position_of(slug: str, epoch: bytes | None, seq: bytes | None) -> tuple[str, int] | UnreadableError:
    """A position as `meta` holds it, ("", 0) if there is none; or what is wrong with it, for others live on."""
    try:
        return ((epoch or b"").decode(), int(seq or b"0"))
    except ValueError:
        return UnreadableError(f"the seq of the story {slug} is no number in the store but {(seq or b'')[:40]!r}")


def fresh_epoch() -> str:
    """Never made twice."""
    return secrets.token_hex(8)


def commit_arguments(slug: str, change: Change, story_was: bytes) -> dict[str, Any]:
    """What `commit.lua` is told of a change."""
    arguments: dict[str, Any] = {
        "type": change.type,
        "at": change.at,
        "modified": _modified(change),
        "published": change.published,
        "listed": change.listed,
        "unpin_if": change.unpin_if,
        "erase": int(change.erase),
    }
    if change.pin is not None:
        arguments["pin"] = change.pin
    if change.pinned:
        arguments["pinned_version"] = change.pinned.version
        arguments["pinned"] = orjson.dumps(public_post(slug, change.pinned))
    if change.post:
        arguments |= {"id": change.post.id, "expect": change.expect_version, "created": change.created}
        public = orjson.dumps(public_post(slug, change.post)) if is_listed(change.post) else b""
        one = post_arguments(change.post)
        one["post"] = one.pop("json")
        arguments |= {**one, "public": public}
    if change.story:
        arguments |= {"story": msgspec.json.encode(change.story), "story_status": change.story.status}
        arguments["head"] = _head(change.story)
        if story_was:
            arguments["story_was"] = story_was
    return arguments


def _modified(change: Change) -> str:
    """When the story changed by it; "" = it did not. A post published with an earlier date is no news of today."""
    if not change.touch:
        return ""
    return min(change.at, change.post.date_modified) if change.post else change.at


def _head(story: Story) -> bytes:
    """The public story's JSON up to its totals, which the script appends."""
    view = story_view(story, Totals())
    return orjson.dumps({name: held for name, held in view.items() if name not in Totals.__struct_fields__})[:-1] + b","


def post_arguments(post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "version": post.version,
        "json": msgspec.json.encode(post),
        "status": post.status,
        "sort": parse_time(post.sort_time, "sort_time") if post.sort_time else 0,
        "marked": int(post.is_key_event),
    }


def import_arguments(
    story: Story | None, doc_was: bytes, totals: Totals, posts: list[Post], created: list[str], last: bool
) -> dict[str, Any]:
    """What `import.lua` is told of a batch. `created`: the fingerprint of each post. `doc_was`: the story as it is
    stored, of which `story` is to be made; empty where there is none."""
    arguments: dict[str, Any] = {
        "last": int(last),
        "version": totals.version,
        "date_modified": totals.date_modified,
        "pinned": totals.pinned_post_id or "",
        "posts": len(posts),
    }
    if story:
        arguments |= {"doc": msgspec.json.encode(story), "status": story.status}
        if doc_was:
            arguments["doc_was"] = doc_was
    for n, (post, fingerprint) in enumerate(zip(posts, created, strict=True), 1):
        fields = {**post_arguments(post), "created": fingerprint}
        arguments |= {f"{name}{n}": held for name, held in fields.items()}
    return arguments


def event_of(
    slug: str, epoch: str, seq: int, entry: dict[str, bytes], texts: dict[str, bytes], posts: dict[str, bytes]
) -> Event | None:
    """A log entry as the event it was, or as it may still be told; None where that cannot be."""
    kind = entry["type"].decode()
    if kind == RESET:
        return None
    event: dict[str, Any] = {"type": kind, "epoch": epoch, "seq": seq, "at": entry["at"].decode()}
    story = orjson.loads(entry["story"])
    if "id" not in entry:
        return cast(Event, {**event, "story": story})
    id = entry["id"].decode()
    if kind == POST_DELETED:
        return cast(Event, {**event, "post_id": id, "story": story})
    now = post_of(slug, posts[id])
    text = texts[f"{id}:{entry['version'].decode()}"]
    post = public_post(slug, post_of(slug, text)) if text else {"id": id}
    event |= {"post": post, "story": story} if is_of_post(kind) else {"story": story, "pinned": post}
    if now.status == "published":
        return cast(Event, event) if text else None
    return redacted(cast(Event, event), public_post(slug, now) if now.status == "withdrawn" else None)


def pairs(flat: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def refusal(slug: str, change: Change | None, answer: list[Any]) -> Exception:
    """The error that a script's answer stands for."""
    word = answer[0].decode()
    detail = [part.decode(errors="replace") for part in answer[1:]]
    if word == "none":
        return NotFoundError(f"there is no story {slug}")
    if word == "gone":
        return StoryGoneError(slug, detail[0], int(detail[1]))
    if word == "taken":
        return ConflictError(f"slug: the story {slug} exists already; edit it, or choose another slug")
    if word == "stale":
        return StaleStoryError(f"the story {slug} was changed by somebody else; read it and decide again")
    if word == "other":
        id = detail[0] if detail else change.post.id if change and change.post else ""
        return ConflictError(f"id: post {id} exists already with other content; choose another id")
    if word == "version":
        return VersionError(f"post {detail[0]}", int(detail[1]))
    if word == "nopost":
        return NotFoundError(f"there is no post {detail[0]} in {slug}")
    if word == "malformed":
        field, held = detail
        return UnreadableError(
            f"nothing was done: the {field} of the story {slug} is {held[:40]!r} in the store, "
            f"which Stoppress never writes: put it right in the story's hash, whose key ends in {{{slug}}}:meta"
        )
    if word == "uncountable":
        return StoreError(
            f"nothing was stored: the {detail[0]} of the story {slug} is no whole number below 2^53 to count on from; "
            "export the story, correct its first line, and import it under another slug"
        )
    return StoreError(f"the store's script gave an answer nobody knows: {word}")
