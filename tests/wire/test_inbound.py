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
