"""Servers that cannot be used are refused with the way out; a broken link never doubles a change."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator

import pytest
from newsdesk import create, draft

from stoppress.newsroom.errors import StoreError, TryAgainError
from stoppress.settings import Settings
from stoppress.store import link as module
from stoppress.store.store import Store


@contextlib.asynccontextmanager
async def proxy(path: str) -> AsyncIterator[Proxy]:
    made = Proxy(path)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await asyncio.gather(*made.tasks, return_exceptions=True)
        await server.wait_closed()


class Proxy:
    """Stands between a store and its server, and loses answers on demand."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.port = 0
        self.lose_answers = 0  # so many answers to EVALSHA are lost, the link with them
        self.refuse = False
        self.tasks: set[asyncio.Task] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for writer in tuple(self._writers):
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        if self.refuse:
            writer.close()
            return
        there, back = await asyncio.open_unix_connection(self.path)
        self._writers |= {writer, back}
        asked = b""

        async def forth() -> None:
            nonlocal asked
            while data := await reader.read(65536):
                asked = data
                back.write(data)
            back.close()

        async def answer() -> None:
            while data := await there.read(65536):
                if b"EVALSHA" in asked and self.lose_answers:
                    self.lose_answers -= 1
                    break
                writer.write(data)
            writer.close()

        await asyncio.gather(forth(), answer(), return_exceptions=True)
        self._writers -= {writer, back}
        for one in (writer, back):
            one.close()
            with contextlib.suppress(OSError):
                await one.wait_closed()


@pytest.fixture
async def between(store: Store) -> AsyncIterator[tuple[Proxy, Store]]:
    """A store that reaches its server through a proxy."""
    path = store.link.embedded.socket_path if store.link.embedded else store.settings.redis.removeprefix("unix://")
    async with proxy(path) as made:
        redis = f"redis://127.0.0.1:{made.port}"
        far = await Store.open(dataclasses.replace(store.settings, redis=redis, store_timeout_s=1))
        yield made, far
        await far.aclose()


async def test_a_lost_answer_does_not_double_the_change(between: tuple[Proxy, Store], store: Store) -> None:
    made, far = between
    await create(far)
    made.lose_answers = 1
    done = await far.commit("fire", draft("a"))
    assert (done.seq, done.replayed, done.post.id) == (2, True, "a")
    assert (await store.story("fire")).totals.post_count == 1


async def test_when_no_answer_comes_the_key_tells_later(between: tuple[Proxy, Store], store: Store) -> None:
    made, far = between
    await create(far)
    made.lose_answers = 99
    with pytest.raises(TryAgainError) as raised:
        await far.commit("fire", draft("a"), fingerprint="f")
    made.lose_answers = 0
    done = await far.commit("fire", draft("a"), key=raised.value.extra["key"], fingerprint="f")
    assert (done.seq, done.replayed) == (2, True)


async def test_when_nothing_was_sent_nothing_is_uncertain(between: tuple[Proxy, Store]) -> None:
    made, far = between
    await create(far)
    made.refuse = True
    made.cut()
    await far.client.connection_pool.disconnect()
    with pytest.raises((StoreError, TryAgainError)) as raised:
        await far.commit("fire", draft("a"))
    made.refuse = False
    assert (await far.story("fire")).seq == 1
    assert isinstance(raised.value, StoreError)


async def test_a_server_that_is_not_there_is_named_with_advice(short_dir) -> None:
    settings = Settings(data_dir=short_dir, redis="redis://:secret@127.0.0.1:1/0")
    with pytest.raises(
        StoreError, match=r"redis://127\.0\.0\.1:1 cannot be reached .*correct STOPPRESS_REDIS"
    ) as raised:
        await Store.open(settings)
    assert "secret" not in str(raised.value)
    with pytest.raises(StoreError, match="is not an address such as redis://"):
        await Store.open(dataclasses.replace(settings, redis="http://example.org"))


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
    assert await store.client.get(store.keys.schema) == b"1"
    await store.client.set(store.keys.schema, module.SCHEMA + 1)
    with pytest.raises(StoreError, match=r"written by a newer Stoppress \(schema 2; this one knows 1\).*upgrade"):
        await Store.open(store.settings)
    await store.client.set(store.keys.schema, "soup")
    with pytest.raises(StoreError, match="no schema number"):
        await Store.open(store.settings)


async def test_a_full_server_says_so(store: Store) -> None:
    await create(store)
    await store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError, match="raise maxmemory"):
            await store.commit("fire", draft("a"))
    finally:
        await store.client.config_set("maxmemory", 0)
    assert (await store.commit("fire", draft("a"))).seq == 2
