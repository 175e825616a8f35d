"""What readers may say, and when patience ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.wire.inbound import MESSAGE_BYTES, Inbox, RudeError
from stoppress.wire.native import CloseCode


def seen(seq: int) -> str:
    return json.dumps({"type": "seen", "seq": seq})


def test_a_seq_is_reported_once_and_never_backwards() -> None:
    inbox = Inbox()

    assert [inbox.hear(seen(seq), 0) for seq in (5, 5, 4, 6)] == [5, None, None, 6]


def test_ten_in_any_ten_seconds_are_welcome() -> None:
    inbox = Inbox()
    for n in range(100):
        inbox.hear(seen(n), n * 1000)

    inbox = Inbox()
    for n in range(10):
        inbox.hear(seen(n), 9_999)

    with pytest.raises(RudeError) as error:
        inbox.hear(seen(11), 19_998)
    assert error.value.code is CloseCode.POLICY
    assert inbox.hear(seen(11), 19_999) == 11


@pytest.mark.parametrize(
    "message",
    [
        *("", "{", "null", "[]", "5", '"seen"', "{}", '{"type":"seen"}', '{"type":"seen","seq":"5"}'),
        *('{"type":"seen","seq":1.0}', '{"type":"seen","seq":true}', '{"type":"post","seq":5}', '{"seq":5}'),
        *(b'{"type":"seen","seq":5}', "\ud800"),
    ],
)
def test_whatever_is_not_a_report_is_rude(message: str | bytes) -> None:
    inbox = Inbox()

    with pytest.raises(RudeError) as error:
        inbox.hear(message, 0)

    assert error.value.code is CloseCode.POLICY
    assert "understood here" in error.value.reason
    assert inbox.newest == 0


def test_a_hundred_frames_in_ten_seconds_are_enough() -> None:
    """Pings and fragments cost as well, and say nothing."""
    inbox = Inbox()
    for second in range(10):
        inbox.count(10, 20_000 + second * 1000)

    with pytest.raises(RudeError) as error:
        inbox.count(1, 29_999)
    assert (error.value.code, error.value.reason) == (CloseCode.POLICY, "more than 100 frames in 10 s")
    inbox.count(100, 30_000)


def test_who_was_silent_for_ten_seconds_is_forgotten_but_for_its_newest() -> None:
    """Then what is kept of it equals a new one."""
    inbox = Inbox(newest=3)
    assert inbox.is_forgettable(10_000)
    inbox.count(1, 10_000)
    inbox.hear(seen(5), 12_000)

    assert not inbox.is_forgettable(21_999)
    assert inbox.is_forgettable(22_000)
    assert Inbox(inbox.newest).hear(seen(5), 22_000) is None


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_anything_else_is_rude_and_nothing_else_happens(message: str | bytes) -> None:
    with pytest.raises(RudeError) as error:
        Inbox().hear(message, 0)
    assert error.value.code in (CloseCode.POLICY, CloseCode.TOO_BIG)


@pytest.mark.parametrize(("pad", "code"), [("é", CloseCode.TOO_BIG), ("e", CloseCode.TOO_BIG)])
def test_size_is_counted_in_bytes(pad: str, code: CloseCode) -> None:
    room = MESSAGE_BYTES - len('{"type":"seen","seq":1,"x":""}')
    count = room // len(pad.encode())
    fits = '{"type":"seen","seq":1,"x":"%s"}' % (pad * count)

    assert Inbox().hear(fits, 0) == 1
    with pytest.raises(RudeError) as error:
        Inbox().hear(fits.replace('""', f'"{pad}"') + pad * 2, 0)
    assert error.value.code is code
