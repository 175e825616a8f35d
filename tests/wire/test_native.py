"""The native dialect: JSON that is made once, and passed on as the store made it."""

from __future__ import annotations

import json

import pytest

from stoppress.hub.frame import Batch, Frame
from stoppress.wire import native


def test_an_event_keeps_the_bytes_of_the_store() -> None:
    raw = b'{ "type": "post.published", "seq": 1 }'
    frame = Frame(json.loads(raw), raw)

    assert frame.form(native.encode) is raw
    assert frame.form(native.text) == raw.decode()


def test_a_redacted_event_is_encoded_anew_in_every_form() -> None:
    frame = Frame({"type": "post.published", "text": "secret"}, b'{"text":"secret"}')
    batch = Batch((frame,), is_live=True)
    frame.form(native.encode), frame.form(native.text)

    frame.redact({"type": "post.deleted", "post_id": "a"})

    assert json.loads(frame.form(native.text)) == {"type": "post.deleted", "post_id": "a"}
    assert b"secret" not in batch.forms[native.encode]


def test_resumed_joins_the_events_as_they_are() -> None:
    events = tuple(Frame({"type": "x", "seq": n}, b'{"type":"x","seq":%d}' % n) for n in (2, 3))
    frame = Frame({"type": "resumed", "epoch": 'e"', "seq": 3}, frames=events)

    told = json.loads(frame.form(native.encode))

    assert told == {"type": "resumed", "epoch": 'e"', "seq": 3, "events": [{"type": "x", "seq": n} for n in (2, 3)]}
    empty = Frame({"type": "resumed", "epoch": "e", "seq": 3})
    assert json.loads(empty.form(native.encode))["events"] == []


def test_a_form_is_made_once() -> None:
    made = []

    def encode(frame: Frame) -> bytes:
        made.append(frame)
        return b"x"

    frame = Frame({"type": "beat", "seq": 1})
    batch = Batch((frame, frame), is_live=True)

    assert batch.forms[encode] + batch.forms[encode] == b"xxxx"
    assert len(made) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 4400),
        (401, 4401),
        (403, 4403),
        (404, 4404),
        (410, 4410),
        (418, 4400),
        (429, 4400),
        (500, 1011),
        (503, 1013),
    ],
)
def test_a_refusal_over_http_has_its_close_code(status: int, code: int) -> None:
    assert native.close_code(status) == code
    assert native.comes_back(code) == (status >= 500), "what the request is to blame for, a client does not repeat"
