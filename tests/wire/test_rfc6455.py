"""RFC 6455 frames as another implementation reads them: websockets' parser, and its permessage-deflate."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from stoppress.hub import frame as hub
from stoppress.wire import native, rfc6455

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]  # around both changes of the length's form (section 5.2)


def parsed(data: bytes) -> list[Frame]:
    """What a client reads from `data`, inflated where a frame says so; a new context for each message, as agreed."""
    stream = StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    frames: list[Frame] = []
    while not finished(stream.at_eof()):
        inflate = PerMessageDeflate(True, True, rfc6455.WINDOW_BITS, rfc6455.WINDOW_BITS)
        frames.append(finished(Frame.parse(stream.read_exact, mask=False, extensions=[inflate])))
    return frames


def finished(steps: Generator[None, None, Any]) -> Any:
    """The result of a parser that waits for nothing, as all its bytes are there."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("may_deflate", [False, True], ids=["plain", "deflated"])
@pytest.mark.parametrize("opcode", [rfc6455.TEXT, rfc6455.BINARY], ids=["text", "binary"])
def test_a_message_of_any_size_is_one_frame_and_read_back_whole(opcode: int, may_deflate: bool, size: int) -> None:
    payload = b"storm " * (size // 6) + b"!" * (size % 6)

    (frame,) = parsed(rfc6455.message(opcode, payload, may_deflate=may_deflate))

    assert (frame.opcode, frame.fin, bytes(frame.data)) == (opcode, True, payload)


@given(text=st.text(), count=st.integers(0, 300))
@example(text="", count=0)
def test_any_text_is_read_back(text: str, count: int) -> None:
    for may_deflate in (False, True):
        (frame,) = parsed(rfc6455.message(rfc6455.TEXT, text.encode() * count, may_deflate=may_deflate))
        assert bytes(frame.data) == text.encode() * count


def is_deflated(data: bytes) -> bool:
    """RSV1 of the first byte (RFC 7692, 6)."""
    return bool(data[0] & 0x40)


def test_only_what_shrinks_is_deflated() -> None:
    """A short message stays plain, and so does one without anything to save."""
    news = b"The north bridge is closed to all traffic until further notice. " * 20
    made = rfc6455.message(rfc6455.TEXT, news, may_deflate=True)
    assert is_deflated(made)
    assert len(made) < len(news) / 5
    assert not is_deflated(rfc6455.message(rfc6455.TEXT, news, may_deflate=False))
    assert not is_deflated(rfc6455.message(rfc6455.TEXT, b"x" * 199, may_deflate=True))
    assert is_deflated(rfc6455.message(rfc6455.TEXT, b"x" * 200, may_deflate=True))
    noise = random.Random(1).randbytes(1000)
    assert rfc6455.message(rfc6455.BINARY, noise, may_deflate=True) == rfc6455.frame(rfc6455.BINARY, noise)


def test_a_deflated_message_needs_no_other_before_it() -> None:
    """Every reader gets the same bytes, whatever it had before: without context takeover (RFC 7692, 7.1.1.1)."""
    packed = rfc6455.deflate(b"storm " * 100)

    assert not packed.endswith(b"\x00\x00\xff\xff")  # left out, and put back by the other side (7.2.2)
    inflate = zlib.decompressobj(wbits=-rfc6455.WINDOW_BITS)
    assert inflate.decompress(packed + b"\x00\x00\xff\xff") == b"storm " * 100


def test_a_hub_s_frame_travels_as_text_made_once_for_each_kind_of_reader() -> None:
    frame = hub.Frame({"type": "story.updated", "seq": 1, "story": {"headline": "Bö" * 200}})
    for encode, deflates in [(rfc6455.plain, False), (rfc6455.deflated, True)]:
        made = frame.form(encode)
        (read,) = parsed(made)
        assert is_deflated(made) is deflates
        assert read.opcode is Opcode.TEXT
        assert json.loads(bytes(read.data)) == frame.message
        assert frame.form(encode) is made


def test_messages_that_leave_together_are_frames_of_their_own() -> None:
    """A batch is one write; its frames are joined, and read one by one."""
    frames = tuple(hub.Frame({"type": "beat", "seq": seq}) for seq in (1, 2))
    batch = hub.Batch(frames, is_live=True)

    read = parsed(batch.forms[rfc6455.plain])

    assert [json.loads(bytes(frame.data))["seq"] for frame in read] == [1, 2]


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("", ""), ("come back in 900 ms", "come back in 900 ms"), ("x" * 124, "x" * 123), ("é" * 62, "é" * 61)],
    ids=["none", "short", "too long", "cut between characters"],
)
def test_a_close_frame_says_why_in_what_fits_a_control_frame(reason: str, kept: str) -> None:
    (frame,) = parsed(rfc6455.close(native.CloseCode.RESTART, reason))

    assert frame.opcode is Opcode.CLOSE
    assert len(frame.data) <= 125
    assert Close.parse(bytes(frame.data)) == Close(1012, kept)
