"""The gate's patience: with bodies that do not come, answers that are not taken, requests that are unclear."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from test_gate import answer, make_app, talk, uvicorn_world
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport import gate

LARGE = 8 * 1024 * 1024
CHUNKED, END = "Transfer-Encoding: chunked", b"0\r\n\r\n"


async def take(request: Request) -> Response:
    try:
        return Response(str(len(await request.body())))
    except ClientDisconnect:
        return Response(status_code=400)


async def refuse(request: Request) -> Response:
    return Response("no", 401)


async def give(request: Request) -> Response:
    return Response(b"x" * int(request.query_params["bytes"]))


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(LARGE // 65536):
            yield b"x" * 65536

    return StreamingResponse(parts())


@pytest.fixture
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(gate, "BODY_S", 0.3)
    monkeypatch.setattr(gate, "CUT_LATER_S", 0)
    settings = Settings(port=0, send_timeout_s=1, drain_s=0.1, stop_timeout_s=1)
    app = make_app(settings, Hub())
    for path, endpoint in (("/take", take), ("/refuse", refuse), ("/give", give), ("/stream", stream)):
        app.router.routes.append(Route(path, endpoint, methods=["GET", "POST"]))
    async with uvicorn_world(app, settings) as world:
        yield world


def asked(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: a", *headers, "", ""]).encode() + body


UNCLEAR = {
    "no host": (b"GET /give?bytes=1 HTTP/1.1\r\n\r\n", 400),
    "two hosts": (asked("GET /give?bytes=1", "Host: b"), 400),
    "two origins": (asked("GET /give?bytes=1", "Origin: http://a", "Origin: http://b"), 400),
    "a length and chunks": (asked("POST /take", "Content-Length: 5", CHUNKED, body=END), 400),
    "chunks and a length": (asked("POST /take", CHUNKED, "Content-Length: 0", body=END), 400),
    "a body nobody takes": (asked("GET /take", "Content-Length: 5"), 400),
    "chunks that are none": (asked("POST /take", CHUNKED, body=b"zz\r\n"), 400),
    "a body that does not come": (asked("POST /take", "Content-Length: 1000", body=b"t"), 408),
    "chunks that do not come": (asked("POST /take", CHUNKED, body=b"1\r\nt\r\n"), 408),
}  # fmt: skip


@pytest.mark.parametrize("row", UNCLEAR)
async def test_what_is_unclear_or_does_not_come_gets_its_status_and_a_close(
    running: Any, row: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, status = UNCLEAR[row]

    got, whole = await answer(running.url, sent)

    assert got == status
    assert b"connection: close\r\n" in whole.lower()
    assert whole.count(b"HTTP/1.1 ") == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_an_old_client_needs_no_host_and_a_second_request_is_judged_as_the_first(running: Any) -> None:
    assert (await answer(running.url, b"GET /give?bytes=1 HTTP/1.0\r\n\r\n"))[0] == 200
    async with talk(running.url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked("GET /give?bytes=1"))
        assert (await reader.readuntil(b"x")).startswith(b"HTTP/1.1 200 ")
        writer.write(asked("GET /give?bytes=1", "Host: b"))
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/take", "/refuse"])
async def test_a_body_that_drips_does_not_buy_time(running: Any, path: str) -> None:
    async with talk(running.url) as (reader, writer), asyncio.timeout(5):
        got = asyncio.create_task(reader.read())
        writer.write(asked(f"POST {path}", "Content-Length: 100000"))
        while not got.done():
            with contextlib.suppress(OSError):
                writer.write(b"x")
            await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionResetError):  # it was still talking
            assert (await got).startswith(b"HTTP/1.1 408 " if path == "/take" else b"HTTP/1.1 401 ")


async def test_a_large_body_may_take_longer_as_long_as_it_comes(running: Any) -> None:
    async with talk(running.url) as (reader, writer), asyncio.timeout(10):
        size = gate.BODY_BYTES
        writer.write(asked("POST /take", f"Content-Length: {12 * size}", "Connection: close"))
        for _ in range(12):
            writer.write(b"x" * size)
            await asyncio.sleep(0.1)
        assert (await reader.read()).endswith(str(12 * size).encode())


@pytest.mark.parametrize(
    ("path", "size"),
    # The first is less than what makes a server wait with writing.
    [("/give?bytes=100000", 100_000), (f"/give?bytes={LARGE}", LARGE), ("/stream", LARGE)],
)
async def test_an_answer_that_is_not_taken_is_cut_off(
    running: Any, path: str, size: int, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[gate.Gate] = []
    stock = gate.Gate.connection_lost
    monkeypatch.setattr(gate.Gate, "connection_lost", lambda made, error: (lost.append(made), stock(made, error)))
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        host, _, port = running.url.removeprefix("http://").partition(":")
        await loop.sock_connect(line, (host, int(port)))
        await loop.sock_sendall(line, asked(f"GET {path}", "Connection: close"))
        await until(lambda: lost)
        got = 0
        async with asyncio.timeout(5):
            while more := await loop.sock_recv(line, 65536):
                got += len(more)

    assert got < size


async def test_an_answer_that_is_taken_slowly_comes_whole(running: Any) -> None:
    async with talk(running.url) as (reader, writer), asyncio.timeout(20):
        writer.write(asked(f"GET /give?bytes={LARGE}", "Connection: close"))
        got = 0
        started = asyncio.get_running_loop().time()
        while more := await reader.read(65536 if asyncio.get_running_loop().time() - started < 3 else LARGE):
            got += len(more)
            if asyncio.get_running_loop().time() - started < 3:
                await asyncio.sleep(0.1)
        assert got > LARGE


def test_what_patience_uses_of_uvicorn_is_there() -> None:
    """As in test_gate: private parts."""
    for name in ("disconnected", "message_event", "response_started", "response_complete", "scope"):
        assert name in RequestResponseCycle.__init__.__code__.co_names
    for name in ("read_paused", "write_paused"):
        assert name in FlowControl.__init__.__code__.co_names
    assert "on_response=self.on_response_complete" in inspect.getsource(gate.HttpToolsProtocol.on_headers_complete)
    assert "self.pipeline" in inspect.getsource(gate.HttpToolsProtocol.on_headers_complete)
