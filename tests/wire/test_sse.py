"""The SSE dialect never lets a message out of its line."""

from __future__ import annotations

import json

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.hub import notices
from stoppress.hub.frame import Frame
from stoppress.wire import sse


def parsed(stream: bytes) -> list[dict[str, str]]:
    """As WHATWG HTML 9.2.6 reads it: CRLF, LF and CR end a line, an empty line ends an event."""
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    text = stream.decode().replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n"):
        if not line:
            if "data" in fields:
                events.append(fields)
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields and name == "data" else value
    return events


@given(text=st.text(), gap=st.sampled_from(["", "\n", "\r", "\r\n", " \n\n"]))
def test_any_text_arrives_whole_however_the_json_was_laid_out(text: str, gap: str) -> None:
    message = {"type": "post.updated", "epoch": "e", "seq": 3, "text": text}
    raw = json.dumps(message, ensure_ascii=False).replace("{", "{" + gap, 1).encode()

    (event,) = parsed(Frame(message, raw).form(sse.encode))

    assert (event["id"], event["event"]) == ("e:3", "post.updated")
    assert json.loads(event["data"]) == message


def test_json_over_several_lines_is_data_over_several_lines() -> None:
    assert sse.event("x", b'{\n "a":\r\n1\r}') == b'event: x\ndata: {\ndata:  "a":\ndata: 1\ndata: }\n\n'


@pytest.mark.parametrize("held", ["a\nb", "a\rb", "a\0b"])
def test_a_type_or_position_that_breaks_out_is_refused(held: str) -> None:
    with pytest.raises(ValueError, match="not one line"):
        sse.event(held, b"{}")
    with pytest.raises(ValueError, match="not one line"):
        sse.event("x", b"{}", held)


def test_only_what_moves_the_position_has_an_id() -> None:
    """A browser resumes from the last id it saw."""
    assert parsed(notices.stale(1).form(sse.encode))[0].keys() == {"event", "data"}
    assert parsed(Frame({"type": "snapshot", "epoch": "e", "seq": 0}).form(sse.encode))[0]["id"] == "e:0"


def test_a_beat_is_an_event_that_moves_nobody() -> None:
    (event,) = parsed(notices.beat(5, 0).form(sse.encode))

    assert (event.keys(), event["event"]) == ({"event", "data"}, "beat")
    assert json.loads(event["data"]) == notices.beat(5, 0).message


def test_the_farewell_says_when_to_come_back_in_its_own_block() -> None:
    """To a browser, which would else wait as long as it was told at the start."""
    (event,) = parsed(notices.bye(1500).form(sse.encode))

    assert (event["event"], event["retry"]) == ("bye", "1500")
    assert json.loads(event["data"])["retry_ms"] == 1500


def test_a_stream_opens_with_a_comment_and_its_retry_stands_in_the_first_event() -> None:
    """A block that only says `retry:` is an empty event to httpx-sse."""
    hello = notices.hello(0, 1, 1, None)
    comment, first, rest = (sse.opening(1234) + hello.form(sse.encode)).split(b"\n\n")

    assert comment.startswith(b":")
    assert (first.split(b"\n")[:2], rest) == ([b"retry: 1234", b"event: hello"], b"")


def test_messages_as_chunks_are_the_same_stream_to_an_http_client() -> None:
    """One chunk a message, whatever bytes it has, until the last chunk says that this was all (RFC 9112, 7.1)."""
    frames = [notices.hello(0, 1, 1, None), Frame({"type": "snapshot", "epoch": "e", "seq": 0, "text": "é\r\n" * 99})]
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.next_event()

    client.receive_data(b"".join(frame.form(sse.chunked) for frame in frames) + sse.LAST_CHUNK)

    got = [client.next_event() for _ in range(3)]
    assert [bytes(part.data) for part in got[:2]] == [sse.encode(frame) for frame in frames]
    assert type(got[2]) is h11.EndOfMessage
