"""The ear rests on parts of websockets that are not its public API: where one moves, this fails with a word. And who
has spoken keeps nothing of it."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport.ear import Ear
from stoppress.wire.rfc6455 import TEXT
from streams import make_app, uvicorn_world

MASK = b"abcd"


def masked(payload: bytes, *, opcode: int = TEXT, is_last: bool = True) -> bytes:
    """A client's frame of at most 125 bytes (RFC 6455 section 5.2)."""
    body = bytes(byte ^ MASK[n % 4] for n, byte in enumerate(payload))
    return struct.pack("!BB", (0x80 if is_last else 0) | opcode, 0x80 | len(payload)) + MASK + body


@pytest.fixture
def ear() -> Ear:
    return Ear(4096, is_deflated=False)


def test_between_two_frames_nothing_is_half_said(ear: Ear) -> None:
    """Then it is dropped: a reader that has spoken costs no more than one that never did."""
    assert ear.hear(masked(b"hello")) == ["hello"]
    assert ear.is_idle

    assert ear.hear(masked(b"hello") + masked(b"again")) == ["hello", "again"]
    assert ear.is_idle


@pytest.mark.parametrize("cut", range(1, len(masked(b"hello"))))
def test_in_the_middle_of_a_frame_something_is(ear: Ear, cut: int) -> None:
    frame = masked(b"hello")

    assert ear.hear(frame[:cut]) == []
    assert not ear.is_idle
    assert ear.hear(frame[cut:]) == ["hello"]
    assert ear.is_idle


def test_between_two_fragments_something_is(ear: Ear) -> None:
    ear.hear(masked(b"hel", is_last=False))
    assert not ear.is_idle

    assert ear.hear(masked(b"lo", opcode=0)) == ["hello"]
    assert ear.is_idle


def test_an_empty_fragment_and_a_ping_in_between_are_not_the_end(ear: Ear) -> None:
    ear.hear(masked(b"", is_last=False) + masked(b"?", opcode=0x9))
    assert not ear.is_idle

    assert ear.hear(masked(b"hello", opcode=0)) == ["hello"]
    assert ear.is_idle


def test_a_ping_is_answered_and_leaves_nothing_behind(ear: Ear) -> None:
    ear.hear(masked(b"are you there", opcode=0x9))

    assert ear.answer() == b"\x8a\x0dare you there"
    assert ear.is_idle
    assert ear.frames == 1


def test_after_the_last_word_it_is_over_not_idle(ear: Ear) -> None:
    ear.hear(masked(struct.pack("!H", 1000), opcode=0x8))

    assert ear.is_over
    assert not ear.is_idle


async def test_who_has_spoken_has_no_parser_afterwards(stream_settings: Settings, until: Any) -> None:
    async with uvicorn_world(make_app(stream_settings, Hub()), stream_settings) as world, world.line() as line:
        await line.opened()
        await world.tell()
        (reader,) = world.feed.readers
        await line.send(json.dumps({"type": "seen", "seq": 1}))

        await until(lambda: world.hub.counts.seen == 1)
        assert reader._ear is None  # type: ignore[attr-defined]
