"""Servers that cannot be used are refused with the way out; a broken link never doubles a change."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator

import pytest
import uvloop
from newsdesk import create, draft, where

from proxy import UP, Proxy, proxying
from stoppress.newsroom.errors import StoreError, TryAgainError
from stoppress.settings import Settings
from stoppress.store import compatibility, faults
from stoppress.store.addresses import SCHEMES, is_store
from stoppress.store.connections import CONNECTIONS, Connections
from stoppress.store.store import Store


def lose_answers(made: Proxy, count: int) -> None:
    """So many answers to scripts are lost, the link with them. (One connection at a time speaks here.)"""
    asked, left = b"", count

    def look(way: str, data: bytes) -> bytes | None:
        nonlocal asked, left
        if way == UP:
            asked = data
        elif b"EVALSHA" in asked and left:
            left -= 1
            return None
        return data

    made.look = look


@pytest.fixture
async def between(store: Store) -> AsyncIterator[tuple[Proxy, Store]]:
    """A store that reaches its server through a proxy."""
    async with proxying(where(store)) as made:
        redis = f"redis://127.0.0.1:{made.port}"
        far = await Store.open(dataclasses.replace(store.settings, redis=redis, store_timeout_s=1))
        yield made, far
        await far.aclose()


async def test_a_lost_answer_does_not_double_the_change(between: tuple[Proxy, Store], store: Store) -> None:
    made, far = between
    await create(far)
    lose_answers(made, 1)
    done = await far.changes.commit("fire", draft("a"))
    assert (done.seq, done.replayed, done.post.id) == (2, True, "a")
    assert (await store.reads.story("fire")).totals.post_count == 1


async def test_when_no_answer_comes_the_key_tells_later(between: tuple[Proxy, Store], store: Store) -> None:
    made, far = between
    await create(far)
    lose_answers(made, 99)
    with pytest.raises(TryAgainError) as raised:
        await far.changes.commit("fire", draft("a"), fingerprint="f")
    lose_answers(made, 0)
    done = await far.changes.commit("fire", draft("a"), key=raised.value.extra["key"], fingerprint="f")
    assert (done.seq, done.replayed) == (2, True)


async def test_when_nothing_was_sent_nothing_is_uncertain(between: tuple[Proxy, Store]) -> None:
    made, far = between
    await create(far)
    made.refuse = True
    await made.cut()
    await far.server.client.connection_pool.disconnect()
    with pytest.raises((StoreError, TryAgainError)) as raised:
        await far.changes.commit("fire", draft("a"))
    made.refuse = False
    assert (await far.reads.story("fire")).seq == 1
    assert isinstance(raised.value, StoreError)


@pytest.mark.parametrize("noticed", [True, False])
def test_a_reset_is_a_lost_connection_and_nothing_else(settings: Settings, store_server, noticed: bool) -> None:
    """uvloop raises a bare RuntimeError from the next write on a connection that was reset.

    `noticed`: the pool looks at what it gives out, as it does; and as if it did not.
    """

    async def main() -> None:
        path = store_server.redis.removeprefix("unix://") or str(store_server.data_dir / "store" / "valkey.sock")
        async with proxying(path) as made:
            far = await Store.open(dataclasses.replace(settings, redis=f"redis://127.0.0.1:{made.port}"))
            await create(far)
            outcomes = []
            count = 8 if noticed else 1  # who fails at once leaves a connection that opens again to the next one
            for _ in range(5):
                # Each waits on a connection of its own.
                waits = (far.calls.command("BLPOP", far.keys.of("fire", "none"), 0.05) for _ in range(count))
                await asyncio.gather(*waits)
                assert await made.reset() >= count
                await asyncio.sleep(0.05)
                calls = (far.calls.once("HGET", far.keys.of("fire", "meta"), "seq") for _ in range(count))
                outcomes += await asyncio.gather(*calls, return_exceptions=True)
            assert {type(one) for one in outcomes} == ({bytes} if noticed else {StoreError}), outcomes
            done = await far.changes.commit("fire", draft("a"))
            assert done.seq == 2
            await far.aclose()

    with pytest.MonkeyPatch.context() as patch:
        if not noticed:
            patch.setattr(faults.Guarded, "can_read", no_look)
            patch.setattr(faults.Guarded, "_is_closed", lambda _: False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())


async def no_look(_: object) -> bool:
    return False


@pytest.mark.parametrize("command", ["GET", "PUBLISH"])
async def test_whoever_is_cancelled_ends_at_whatever_step_that_was(store: Store, command: str) -> None:
    """The driver sends through `wait_for`, which in Python 3.11 loses a cancellation that meets its end: whoever
    followed a story could go on after Ctrl-C."""
    arguments = [b"?"] if command == "PUBLISH" else []
    for steps in range(60):
        task = asyncio.create_task(store.calls.command(command, store.keys.schema, *arguments))
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
    assert await store.calls.command("GET", store.keys.schema) == b"1"  # nobody reads another's answer


async def test_a_server_that_is_not_there_is_named_with_advice(short_dir) -> None:
    settings = Settings(data_dir=short_dir, redis="redis://:secret@127.0.0.1:1/0")
    with pytest.raises(
        StoreError, match=r"redis://127\.0\.0\.1:1 cannot be reached .*correct STOPPRESS_REDIS"
    ) as raised:
        await Store.open(settings)
    assert "secret" not in str(raised.value)
    with pytest.raises(StoreError, match="is not an address such as redis://"):
        await Store.open(dataclasses.replace(settings, redis="http://example.org"))


def test_whatever_is_known_as_a_store_can_be_connected_to_and_nothing_else_can() -> None:
    for scheme in SCHEMES:
        assert is_store(f"{scheme}host/0")
        Connections.to(f"{scheme}host/0", 1.0)
    for other in ("https://host", "redis:host", "REDIS://host", ""):
        assert not is_store(other)
        with pytest.raises(StoreError, match=r"none of redis://, rediss://, unix://"):
            Connections.to(other, 1.0)


async def test_an_old_server_is_refused(short_dir) -> None:
    """Over a real socket, by what Redis 6 says of itself (there is none to install here)."""

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = b"# Server\r\nredis_version:6.2.14\r\nrun_id:abc\r\n"
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                for command in re.split(rb"(?m)^\*\d+\r\n", data)[1:]:
                    known = command.startswith(b"$4\r\nINFO")
                    writer.write(b"$%d\r\n%s\r\n" % (len(info), info) if known else b"-ERR unknown command\r\n")
        writer.close()

    server = await asyncio.start_server(old, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(StoreError, match=r"is Redis 6\.2\.14; Stoppress needs Redis 7 or newer"):
            await Store.open(Settings(data_dir=short_dir, redis=f"redis://127.0.0.1:{port}?protocol=2"))


async def test_data_of_a_newer_release_is_refused(store: Store) -> None:
    assert await store.server.client.get(store.keys.schema) == b"1"
    await store.server.client.set(store.keys.schema, compatibility.SCHEMA + 1)
    with pytest.raises(StoreError, match=r"written by a newer Stoppress \(schema 2; this one knows 1\).*upgrade"):
        await Store.open(store.settings)
    await store.server.client.set(store.keys.schema, "soup")
    with pytest.raises(StoreError, match="no schema number"):
        await Store.open(store.settings)


async def test_a_full_server_says_so(store: Store) -> None:
    await create(store)
    await store.server.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError, match="raise maxmemory"):
            await store.changes.commit("fire", draft("a"))
    finally:
        await store.server.client.config_set("maxmemory", 0)
    assert (await store.changes.commit("fire", draft("a"))).seq == 2


async def test_when_all_connections_are_in_use_who_comes_waits_and_takes_none_along(store: Store) -> None:
    """Not who is cancelled while waiting, and not who is late: afterwards as many as before are served at once."""
    far = await Store.open(dataclasses.replace(store.settings, store_timeout_s=0.5))
    pool = far.server.client.connection_pool

    def gets() -> list[asyncio.Task[object]]:
        return [asyncio.create_task(far.calls.once("GET", far.keys.schema)) for _ in range(CONNECTIONS)]

    try:
        for _ in range(2):
            held = [await pool.get_connection() for _ in range(CONNECTIONS)]
            cancelled, served = gets(), gets()
            await asyncio.sleep(0)
            for one in cancelled:
                one.cancel()
            for connection in held:
                await pool.release(connection)
            assert await asyncio.gather(*served) == [b"1"] * CONNECTIONS
            await asyncio.wait(cancelled)
        held = [await pool.get_connection() for _ in range(CONNECTIONS)]
        with pytest.raises(StoreError, match="all connections are in use"):
            await far.calls.once("GET", far.keys.schema)
        for connection in held:
            await pool.release(connection)
        held = [await pool.get_connection() for _ in range(CONNECTIONS)]
        for connection in held:
            await pool.release(connection)
        assert await asyncio.gather(*gets()) == [b"1"] * CONNECTIONS
    finally:
        await far.aclose()
