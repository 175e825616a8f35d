"""The line between a supervisor and its worker: whole messages, and nobody waits for who does not read."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from stoppress.transport.channel import BEAT, READY, SAMPLE, STOP, Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = (Channel(end) for end in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send(BEAT)
    one.send(READY, b"http://127.0.0.1:8000")
    one.send(SAMPLE, b"")
    assert other.wait() == [(BEAT, b""), (READY, b"http://127.0.0.1:8000"), (SAMPLE, b"")]
    assert other.receive() == []


def test_a_message_larger_than_the_line_takes_several_turns(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    large = bytes(range(256)) * 20_000
    one.send(SAMPLE, large)
    turns, found = 0, list[tuple[bytes, bytes]]()
    while not found:
        turns += 1
        found += other.receive()
        one.flush()
    assert found == [(SAMPLE, large)]
    assert turns > 2


def test_to_who_does_not_read_only_what_is_needed_is_kept(ends: tuple[Channel, Channel]) -> None:
    """A worker that is stopped, or a supervisor: the other one must not wait, and not grow."""
    one, other = ends
    sent = 0
    while one.send(SAMPLE, b"x" * 5000, is_needed=False):
        sent += 1
    assert not one.send(BEAT, is_needed=False)
    one.send(STOP)
    found: list[tuple[bytes, bytes]] = []
    while (STOP, b"") not in found:
        found += other.receive()
        one.flush()
    assert [letter for letter, _ in found] == [SAMPLE] * sent + [STOP]
    assert one.send(BEAT, is_needed=False)


def test_what_was_said_last_is_heard_before_the_end(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send(READY, b"x")
    one.close()
    assert other.wait() == [(READY, b"x")]
    with pytest.raises(EOFError):
        other.receive()


def test_to_an_end_that_is_gone_nothing_is_said(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    other.close()
    one.send(STOP)
    one.send(BEAT, is_needed=False)
    with pytest.raises(EOFError):
        one.receive()
