"""A message of the channel: an event goes through as it is, anything else is refused and breaks nobody."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.newsroom.events import EVENTS, POST_EVENTS, RESET, SNAPSHOT, is_event, is_of_post, post_id_of, read_event

TOTALS = {"post_count": 1, "listed_count": 1, "pinned_post_id": None}
AT = {"epoch": "e", "seq": 7, "at": "2026-11-22T18:00:00.000Z"}
POST = {"id": "p", "version": 1, "status": "published", "sort_time": AT["at"]}
STORY = {**TOTALS, "status": "live"}


def event(type: str) -> dict[str, Any]:
    if type == RESET:
        return {"type": type, "epoch": "e", "seq": 0}
    if type == "post.deleted":
        return {"type": type, **AT, "post_id": "p", "story": TOTALS}
    return {"type": type, **AT, **({"post": POST, "story": TOTALS} if type.startswith("post") else {"story": STORY})}


@pytest.mark.parametrize("type", [*sorted(EVENTS), RESET])
def test_an_event_goes_through_with_fields_that_this_version_does_not_know(type: str) -> None:
    newer = {**event(type), "tone": {"of": "a later version"}}
    assert read_event(orjson.dumps(newer)) == newer


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"7",
        b'"post.published"',
        b"{}",
        b'{"type": []}',
        orjson.dumps({**event("post.published"), "type": "post.liked"}),
        orjson.dumps({**event("post.published"), "seq": "7"}),
        orjson.dumps({**event("post.published"), "at": "yesterday"}),
        orjson.dumps({**event("post.published"), "post": {**POST, "id": 7}}),
        orjson.dumps({**event("story.ended"), "story": TOTALS}),
        orjson.dumps({**event("story.updated"), "pinned": {}}),
        orjson.dumps({**event("post.deleted"), "post_id": None}),
        orjson.dumps({"type": RESET, "epoch": "e"}),
        b'{"type":' * 100_000,
    ],
)
def test_what_is_no_event_is_refused(message: bytes) -> None:
    assert read_event(message) is None


@pytest.mark.parametrize("type", [*sorted(EVENTS), RESET])
def test_an_event_that_lacks_anything_it_must_say_is_refused(type: str) -> None:
    whole = event(type)
    for name in whole:
        assert read_event(orjson.dumps({key: value for key, value in whole.items() if key != name})) is None


def test_what_takes_a_seq_is_known_by_its_type_in_a_later_version_too() -> None:
    assert all(map(is_event, [*EVENTS, "post.liked", "story.split"]))
    assert not any(map(is_event, [RESET, SNAPSHOT, "hello", "poster.shown", "story"]))
    assert {type for type in EVENTS if is_of_post(type)} == POST_EVENTS | {"post.deleted"}


def test_whose_text_an_event_carries_or_ends() -> None:
    told = {type: post_id_of(event(type)) for type in EVENTS}
    assert told == {type: "p" if type.startswith("post.") else None for type in EVENTS}
    assert post_id_of({**event("story.updated"), "pinned": POST}) == "p"
    assert post_id_of({**event("story.updated"), "pinned": None}) is None


@given(st.binary(max_size=40))
def test_noise_is_refused(message: bytes) -> None:
    assert read_event(message) is None
