"""The stream as an HTTP answer: its head, its framing and its end, and what else may happen on the connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from test_gate import talk

from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport.drain import drain
from stoppress.transport.gate import Gate
from stoppress.transport.sse import HEARD_BYTES, EventReader, HandedStream
from streams import WAYS, UvicornWorld, make_app, uvicorn_world
from support import until


def asked(method: str = "GET", version: str = "1.1", path: str = "/live/a/events", *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: a", *headers, "", ""]).encode()


async def opening(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body so far, up to the first message after `hello`."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = b""
    while not re.search(rb"event: (snapshot|resumed)\ndata: .*\n\n", body):
        more = await reader.read(65536)
        assert more, body
        body += more
    return head.lower(), body


def unchunked(data: bytes) -> bytes:
    """Raises if it is no whole chunked body with nothing behind it (RFC 9112 section 7.1)."""
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        assert data[length : length + 2] == b"\r\n"
        body, data = body + data[:length], data[length + 2 :]
        if not length:
            assert not data
            return body


async def leave(world: UvicornWorld) -> None:
    await drain(world.pump, 0.1)


@pytest.fixture
async def handed(stream_settings: Settings) -> AsyncIterator[UvicornWorld]:
    async with uvicorn_world(make_app(stream_settings, Hub(beat_s=60)), stream_settings) as running:
        yield running


@pytest.fixture(params=["handed", "stock"])
async def quiet(request: Any, stream_settings: Settings) -> Any:
    app = make_app(stream_settings, Hub(beat_s=60), is_stock=request.param == "stock")
    async with WAYS[request.param](app, stream_settings) as running:
        running.reader = HandedStream if request.param == "handed" else EventReader
        yield running


async def test_it_is_the_last_answer_of_its_connection_in_chunks_that_end_with_the_farewell(quiet: Any) -> None:
    async with talk(quiet.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked())
        head, body = await opening(reader)
        assert [type(one) for one in quiet.feed.readers] == [quiet.reader]
        await quiet.tell()
        await leave(quiet)
        body += await reader.read()

    assert b"transfer-encoding: chunked\r\n" in head
    assert b"connection: close\r\n" in head
    assert b"content-length" not in head
    kinds = re.findall(rb"^event: (.*)$", unchunked(body), re.MULTILINE)
    assert kinds == [b"hello", b"snapshot", b"post.published", b"bye"]


async def test_who_speaks_http_1_0_gets_no_chunks_and_the_end_of_the_connection(handed: Any) -> None:
    """As nginx does, unless it is told otherwise."""
    async with talk(handed.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked(version="1.0"))
        head, body = await opening(reader)
        await handed.tell()
        await leave(handed)
        body += await reader.read()

    assert b"transfer-encoding" not in head
    assert body.startswith(b": ")
    assert re.findall(rb"^event: (.*)$", body, re.MULTILINE) == [b"hello", b"snapshot", b"post.published", b"bye"]
    assert body.endswith(b"}\n\n")


async def test_head_leaves_the_connection_as_it_was(quiet: Any) -> None:
    async with talk(quiet.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked("HEAD"))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.write(asked())
        again, _ = await opening(reader)

    assert head.startswith(b"http/1.1 200 ")
    assert b"text/event-stream" in head
    assert b"connection: close" not in head
    assert again.startswith(b"http/1.1 200 ")


@pytest.mark.parametrize("is_early", [True, False], ids=["in one segment", "later"])
async def test_a_request_behind_the_stream_is_not_answered_and_disturbs_nobody(quiet: Any, is_early: bool) -> None:
    """RFC 9112 section 9.6: no request is processed after an answer that closes."""
    async with talk(quiet.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked() + asked("HEAD") if is_early else asked())
        _, body = await opening(reader)
        if not is_early:
            writer.write(asked("HEAD"))
        for _ in range(3):
            await quiet.tell()
            body += await reader.readuntil(b"\n\n\r\n")
        await leave(quiet)
        body += await reader.read()

    assert body.count(b"event: post.published") == 3
    assert b"HTTP/1.1" not in body
    assert unchunked(body).endswith(b"}\n\n")


async def test_who_talks_on_and_on_is_cut_off(handed: Any) -> None:
    async with talk(handed.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked())
        await opening(reader)
        writer.write(b"x" * HEARD_BYTES)
        await handed.tell()
        await reader.readuntil(b"event: post.published")
        assert handed.hub.readers == 1

        writer.write(b"x")

        await until(lambda: handed.hub.readers == 0)
    assert handed.hub.counts.rude == 1


async def test_who_ends_its_own_side_is_gone(quiet: Any) -> None:
    """It may be a reader that waits for more, or a page that was closed: nothing tells them apart."""
    async with talk(quiet.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked())
        await opening(reader)

        writer.write_eof()

        assert await reader.read() == b""
        await until(lambda: quiet.hub.readers == 0)
        await until(lambda: len(quiet.pump.connections) == 0)


async def test_head_hello_and_snapshot_come_as_one(handed: Any) -> None:
    async with talk(handed.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked())
        first = await reader.read(65536)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert first.index(b"event: hello") < first.index(b"event: snapshot")


async def test_nothing_of_the_request_stays(handed: Any) -> None:
    tasks = len(asyncio.all_tasks())
    async with talk(handed.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked())
        await opening(reader)
        (stream,) = handed.feed.readers
        await until(lambda: not handed.pump.connections.slow)
        names = {name for cls in type(stream).__mro__ for name in getattr(cls, "__slots__", ())} - {"__weakref__"}
        kept = [getattr(stream, name) for name in names]

        assert not hasattr(stream, "__dict__")
        assert len(names) <= 15, "each is 8 bytes of every reader"
        assert not [value for value in kept if isinstance(value, dict | list | asyncio.Task | Gate)]
        assert len(asyncio.all_tasks()) == tasks + 1, "the sweep"


async def test_a_connection_leaves_nothing_to_the_collector(handed: Any) -> None:
    """A storm of joins would else be a storm of collections."""

    def gates() -> int:
        return sum(isinstance(one, Gate) for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        for path in ("/live/a/events", "/live/none/events"):
            async with talk(handed.url) as (reader, writer), asyncio.timeout(5):
                writer.write(asked(path=path))
                await reader.readuntil(b"\r\n\r\n")
                if path == "/live/a/events":
                    await until(lambda: gates() == 0)
                    assert handed.hub.readers == 1
            await until(lambda: gates() == 0)
    finally:
        gc.enable()


class Seal:
    """What the application wraps itself in: it puts a header on every answer, or fails to."""

    def __init__(self, app: Any, value: bytes = b"yes") -> None:
        self.app = app
        self.value = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-sealed", self.value)]
            await send(message)

        await self.app(scope, receive, sealed)


async def test_the_head_is_the_applications(stream_settings: Settings) -> None:
    app = make_app(stream_settings, Hub())
    app.add_middleware(Seal)
    async with uvicorn_world(app, stream_settings) as running, talk(running.url) as (reader, writer):
        writer.write(asked())
        head, _ = await opening(reader)
        assert [type(one) for one in running.feed.readers] == [HandedStream]

    assert b"x-sealed: yes\r\n" in head


async def test_a_head_that_cannot_be_written_leaves_no_reader(stream_settings: Settings) -> None:
    app = make_app(stream_settings, Hub())
    app.add_middleware(Seal, value=b"a\r\nb")
    async with uvicorn_world(app, stream_settings) as running, talk(running.url) as (reader, writer):
        writer.write(asked())
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert (running.hub.counts.connects, running.hub.readers) == (1, 0)


LARGE_BYTES = 8_000_000  # more than two kernels' buffers


async def large(_request: Request) -> Response:
    return Response(b"x" * LARGE_BYTES)


@contextlib.asynccontextmanager
async def behind_an_answer(world: UvicornWorld) -> AsyncIterator[asyncio.StreamReader]:
    """A stream is asked for on a connection whose last answer was given, but not taken; reading is paused."""
    world.app.router.routes.append(Route("/large", large))
    async with talk(world.url) as (reader, writer), asyncio.timeout(10):
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(asked(path="/large"))
        await asyncio.sleep(0.2)
        writer.write(asked())
        await until(lambda: world.hub.readers == 1)
        yield reader


async def test_a_stream_behind_an_answer_that_is_still_leaving_waits_for_it(quiet: Any) -> None:
    async with behind_an_answer(quiet) as reader:
        await quiet.tell()
        reader._transport.resume_reading()  # type: ignore[attr-defined]

        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(LARGE_BYTES) == b"x" * LARGE_BYTES
        head, body = await opening(reader)
        await quiet.tell()
        body += await reader.readuntil(b"\n\n\r\n")

    assert b"text/event-stream" in head
    assert body.count(b"event: hello") == 1
    assert re.findall(rb"^id: e:(\d+)$", body, re.MULTILINE)[-1] == b"2"


async def test_a_drain_does_not_stumble_over_a_stream_that_has_not_begun(quiet: Any) -> None:
    async with behind_an_answer(quiet):
        await leave(quiet)

        assert quiet.hub.readers == 0
