"""The native stream over a WebSocket (PROTOCOL section 3), the same over every way to serve it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from stoppress.transport.drain import drain


def seen(seq: int) -> str:
    return json.dumps({"type": "seen", "seq": seq})


async def test_hello_then_the_snapshot_then_each_event_as_it_happens(world: Any) -> None:
    await world.tell()
    async with world.line() as line:
        hello, snapshot = await line.opened()
        told = [await world.tell() for _ in range(3)]
        heard = [await line.receive() for _ in range(3)]

    assert hello.keys() == {"type", "server_time", "readers", "sample", "stale_since"}
    assert (hello["type"], hello["readers"], hello["sample"], hello["stale_since"]) == ("hello", 1, 1, None)
    assert (snapshot["type"], snapshot["epoch"], snapshot["seq"]) == ("snapshot", "e", 1)
    assert [post["id"] for post in snapshot["posts"]] == ["p1"]
    assert heard == told


async def test_the_subprotocol_is_taken_when_offered_and_never_demanded(world: Any) -> None:
    async with world.line(subprotocols=["other", "stoppress.v1"]) as line:
        assert line.subprotocol == "stoppress.v1"
        assert (await line.receive())["type"] == "hello"
    async with world.line() as line:
        assert line.subprotocol is None


async def test_a_position_is_honoured_with_exactly_what_was_missed(world: Any) -> None:
    told = [await world.tell() for _ in range(4)]
    async with world.line("/live/a/ws?epoch=e&seq=1") as line:
        _, resumed = await line.opened()
        told.append(await world.tell())

        assert resumed == {"type": "resumed", "epoch": "e", "seq": 4, "events": told[1:4]}
        assert await line.receive() == told[4]


@pytest.mark.parametrize(
    "query", ["epoch=other&seq=1", "epoch=e&seq=99", "epoch=e&seq=-1", "epoch=e", "seq=1", "epoch=e&seq=²"]
)
async def test_any_other_position_gets_a_snapshot(world: Any, query: str) -> None:
    await world.tell()
    async with world.line(f"/live/a/ws?{query}") as line:
        assert (await line.opened())[1]["type"] == "snapshot"


async def test_a_position_ahead_of_this_hub_makes_it_read_on_first(world: Any) -> None:
    """The store is one event ahead here, so the reader came from a worker that had heard more."""
    await world.tell()
    async with world.line("/live/a/ws?epoch=e&seq=2") as line:
        _, resumed = await line.opened()

    assert resumed == {"type": "resumed", "epoch": "e", "seq": 2, "events": []}
    assert [str(position) for position in world.parts.relay.asked] == ["e:2"]


async def test_every_reader_gets_every_event_in_order(world: Any) -> None:
    async with world.line() as one, world.line() as two, world.line() as three:
        lines = (one, two, three)
        for line in lines:
            await line.opened()
        for _ in range(15):
            await world.tell()
        heard = [[(await line.receive())["seq"] for _ in range(15)] for line in lines]

    assert heard == [list(range(1, 16))] * 3


async def test_unknown_and_deleted_stories_say_so_by_close_code(world: Any) -> None:
    async with world.line("/live/nowhere/ws") as line:
        assert await line.closed() == 4404
    async with world.line() as line:
        await line.opened()
        deleted = await world.tell("story.deleted")

        assert await line.receive() == deleted
        assert await line.closed() == 4410
    async with world.line() as line:
        assert await line.closed() == 4410


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello?", 1008),
        ("[]", 1008),
        ('{"type":"publish"}', 1008),
        ('{"type":"seen","seq":"1"}', 1008),
        ('{"type":"seen","seq":true}', 1008),
        (b'{"type":"seen","seq":1}', 1008),
        (json.dumps({"type": "seen", "seq": 1, "pad": "é" * 4096}), 1009),
    ],
    ids=["no JSON", "a list", "another type", "seq a text", "seq a boolean", "binary", "over 4 KiB"],
)
async def test_a_reader_that_talks_nonsense_is_closed(world: Any, message: str | bytes, code: int) -> None:
    async with world.line() as line:
        await line.opened()
        await line.send(message)

        assert await line.closed() == code
    assert world.hub.counts.rude == 1


async def test_painted_events_are_counted_once_and_only_if_written_live(world: Any, until: Any) -> None:
    await world.tell()
    async with world.line() as line:
        await line.opened()
        await world.tell()
        await line.receive()
        for seq in (1, 2, 2, 9):  # in the snapshot, live, again, not yet happened
            await line.send(seen(seq))
        await world.tell()
        await line.receive()

        await until(lambda: world.hub.counts.seen == 1)
    assert world.hub.painted.read(0).count == 1


async def test_ten_reports_in_ten_seconds_are_welcome_and_an_eleventh_is_not(world: Any) -> None:
    async with world.line() as line:
        await line.opened()
        for seq in range(1, 11):
            await line.send(seen(seq))
        told = await world.tell()
        assert await line.receive() == told

        await line.send(seen(11))

        assert await line.closed() == 1008


@pytest.mark.parametrize("sweep_s", [0.02])
async def test_silence_is_kept_warm_by_beats_that_name_the_newest_seq(world: Any) -> None:
    await world.tell()
    async with world.line() as line:
        await line.opened()
        beat = await line.receive(spared=True)
        while beat["type"] == "readers":
            beat = await line.receive(spared=True)

    assert (beat["type"], beat["seq"]) == ("beat", 1)
    assert beat.keys() == {"type", "seq", "server_time"}


async def test_losing_and_regaining_the_store_is_said_once(world: Any) -> None:
    async with world.line() as line:
        await line.opened()
        await world.do(world.hub.stale, 1_000)
        await world.do(world.hub.stale, 2_000)
        stale = await line.receive()
        async with world.line() as late:
            assert (await late.receive())["stale_since"] == "1970-01-01T00:00:01.000Z"
        await world.do(world.hub.live)
        live = await line.receive()

    assert stale == {"type": "stale", "since": "1970-01-01T00:00:01.000Z"}
    assert live == {"type": "live"}


async def test_a_reader_that_leaves_is_forgotten(world: Any, until: Any) -> None:
    async with world.line() as line:
        await line.opened()
        assert world.hub.readers == 1

    await until(lambda: world.hub.readers == 0)
    assert not world.feed.readers


async def test_a_replaced_state_reaches_everyone_as_a_snapshot(world: Any) -> None:
    from streams import new_state

    async with world.line() as line:
        await line.opened()
        await world.do(world.hub.add, "a", new_state("f", 7))

        message = await line.receive()

    assert (message["type"], message["epoch"], message["seq"]) == ("snapshot", "f", 7)


async def test_drain_says_when_to_come_back_and_closes_1012(world: Any) -> None:
    async def leave() -> None:
        await drain(world.pump, 0.1)

    async with world.line() as one, world.line() as two:
        for line in (one, two):
            await line.opened()
        draining = asyncio.create_task(world.do(leave))
        for line in (one, two):
            bye = await line.receive()
            assert bye["type"] == "bye"
            assert bye["retry_ms"] >= 250
            assert await line.closed() == 1012
        await draining
    with pytest.raises(Exception, match="503") as refused:
        async with world.line():
            pass
    assert refused.value.headers["retry-after"] == "1"


async def test_a_full_worker_refuses_before_the_handshake(world: Any) -> None:
    world.hub.max_readers = 1
    async with world.line() as line:
        await line.opened()

        with pytest.raises(Exception, match="503"):
            async with world.line():
                pass
    assert world.hub.counts.refusals == {"full": 1}
