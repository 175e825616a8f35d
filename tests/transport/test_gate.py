"""The gate: every bad handshake gets its status and a close, nothing hangs, and what comes early is heard."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn as uvicorn_package
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from test_slow import LARGE, PATHS, messages, stalled
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from stoppress.hub.feed import Limits
from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport import gate
from stoppress.wire.native import CloseCode
from streams import make_app, uvicorn_world

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
GOOD = ["Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY]
PATH = "/live/a/ws"


def request(*headers: str, line: str = f"GET {PATH} HTTP/1.1", without: str = "", body: str = "") -> bytes:
    kept = [header for header in GOOD if not (without and header.startswith(without))]
    return ("\r\n".join([line, *kept, *headers]) + "\r\n\r\n" + body).encode()


def masked(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


@contextlib.asynccontextmanager
async def talk(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer(url: str, asked: bytes) -> tuple[int, bytes]:
    """Status and all that came until the server closed."""
    async with talk(url) as (reader, writer), asyncio.timeout(8):
        with contextlib.suppress(OSError):
            writer.write(asked)
            await writer.drain()
        got = b""
        with contextlib.suppress(ConnectionResetError):  # we may still be talking when it has heard enough
            while more := await reader.read(65536):
                got += more
    return (int(got.split()[1]) if got else 0), got


@pytest.fixture
def stream_settings() -> Settings:
    return Settings(port=0, head_timeout_s=0.3, drain_s=0.2, stop_timeout_s=1)


@pytest.fixture
async def running(stream_settings: Settings) -> AsyncIterator[Any]:
    async with uvicorn_world(make_app(stream_settings, Hub(Limits(backlog=5))), stream_settings) as world:
        yield world


BAD = {
    "no key": (request(without="Sec-WebSocket-Key"), 400),
    "two keys": (request(KEY), 400),
    "a short key": (request("Sec-WebSocket-Key: YWJj", without="Sec-WebSocket-Key"), 400),
    "no version": (request(without="Sec-WebSocket-Version"), 400),
    "version 8": (request("Sec-WebSocket-Version: 8", without="Sec-WebSocket-Version"), 400),
    "POST": (request(line=f"POST {PATH} HTTP/1.1"), 405),
    "HTTP/1.0": (request(line=f"GET {PATH} HTTP/1.0"), 505),
    "a body": (request("Content-Length: 5", body="hello"), 400),
    "a body to come": (request("Content-Length: 5"), 400),
    "a chunked body": (request("Transfer-Encoding: chunked"), 400),
    "an address of 9 KB": (request(line=f"GET {PATH}?{'a' * 9000} HTTP/1.1"), 414),
    "a line of 20 KB": (request("Cookie: " + "a" * 20_000), 431),
    "a line that never ends": (request()[:-2] + b"Cookie: " + b"a" * 60_000, 431),
    "4 MB of head": (request("Cookie: " + "a" * 4_000_000), 431),
    "129 headers": (request(*[f"X-{n}: 1" for n in range(129)]), 431),
    "a path that is not ASCII": (request(line="GET /live/é/ws HTTP/1.1"), 400),
    "an address without a path": (request(line="GET http://a HTTP/1.1"), 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00" * 9, 400),
    "a head that stays half": (request()[:-2], 408),
    "silence": (b"", 0),
}


@pytest.mark.parametrize("row", BAD)
async def test_a_bad_handshake_gets_its_status_and_a_close(running: Any, row: str) -> None:
    asked, status = BAD[row]

    got, whole = await answer(running.url, asked)

    assert got == status
    assert status == 0 or b"connection: close\r\n" in whole.lower()
    assert running.hub.counts.connects == 0


async def test_a_version_we_do_not_speak_is_told_which_one_we_do(running: Any) -> None:
    assert b"Sec-WebSocket-Version: 13\r\n" in (await answer(running.url, BAD["version 8"][0]))[1]


async def test_a_head_that_drips_does_not_buy_time(running: Any) -> None:
    """Every byte used to renew the patience."""
    async with talk(running.url) as (reader, writer), asyncio.timeout(5):
        got = asyncio.create_task(reader.read())
        for byte in request()[:-2] * 100:
            if got.done():
                break
            with contextlib.suppress(OSError):
                writer.write(bytes((byte,)))
            await asyncio.sleep(0.01)
        assert (await got).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "odd",
    [
        request("Connection: keep-alive"),
        request("Connection: keep-alive, Upgrade", without="Connection"),
        request("Connection: upgrade", "Connection: close", without="Connection"),
        request(KEY + "\t ", without="Sec-WebSocket-Key"),
    ],
)
async def test_a_handshake_may_be_written_in_other_ways(running: Any, odd: bytes) -> None:
    async with talk(running.url) as (reader, writer), asyncio.timeout(5):
        writer.write(odd)
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")


async def test_frames_in_the_segment_of_the_handshake_are_heard(running: Any) -> None:
    rude = masked(Opcode.TEXT, b"hello?")

    _, whole = await answer(running.url, request() + rude)

    assert whole.startswith(b"HTTP/1.1 101 ")
    assert CloseCode.POLICY.to_bytes(2, "big") in whole
    assert running.hub.counts.rude == 1


async def test_the_answer_hello_and_the_snapshot_come_as_one(running: Any) -> None:
    async with talk(running.url) as (reader, writer), asyncio.timeout(5):
        writer.write(request())
        first = await reader.read(65536)

    assert first.startswith(b"HTTP/1.1 101 ")
    assert first.index(b'"type":"hello"') < first.index(b'"type":"snapshot"')


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; server_no_context_takeover; server_max_window_bits=15", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("x-webkit-deflate-frame", False),
    ],
)
async def test_deflate_is_taken_only_if_one_frame_can_serve_all(running: Any, offer: str, taken: bool) -> None:
    async with talk(running.url) as (reader, writer), asyncio.timeout(5):
        writer.write(request(f"Sec-WebSocket-Extensions: {offer}"))
        head = await reader.readuntil(b"\r\n\r\n")

    assert (b"server_no_context_takeover" in head) == taken
    assert (b"client_no_context_takeover" in head) == taken


async def test_deflated_readers_hear_the_same(running: Any) -> None:
    url = running.url.replace("http", "ws") + PATH
    async with connect(url, proxy=None) as deflated, connect(url, proxy=None, compression=None) as plain:
        assert deflated.protocol.extensions
        for _ in range(20):
            await running.tell("post.published", "a headline that repeats itself " * 20)
        heard = [[await line.recv() for _ in range(22)] for line in (deflated, plain)]

    assert heard[0][2:] == heard[1][2:]


async def test_a_flood_of_tiny_frames_ends_the_connection(running: Any) -> None:
    _, whole = await answer(running.url, request() + masked(Opcode.PING, b"") * 40_000)

    assert running.hub.counts.rude == 1
    assert whole.count(b"\x8a\x00") < 1000, "a pong for each would be work for nothing"


async def test_queries_reach_no_log(running: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for asked in (request(line=f"GET {PATH}?token=hush HTTP/1.1") + masked(Opcode.CLOSE, b""), BAD["no key"][0]):
        await answer(running.url, asked.replace(b"/ws HTTP", b"/ws?token=hush HTTP"))

    assert "hush" not in caplog.text


async def test_nothing_of_the_handshake_stays(running: Any, until: Any) -> None:
    async with connect(running.url.replace("http", "ws") + PATH, proxy=None) as line:
        await line.recv()
        (reader,) = running.feed.readers
        await until(lambda: not running.pump.connections.slow)
        held = {name for cls in type(reader).__mro__ for name in getattr(cls, "__slots__", ())}
        kept = [getattr(reader, name) for name in held - {"__weakref__"} if hasattr(reader, name)]

    assert not hasattr(reader, "__dict__")
    assert len(held) <= 17, "each is 8 bytes of every reader"
    assert not [value for value in kept if isinstance(value, dict | list | asyncio.Task | gate.Gate)]


def test_what_the_gate_uses_of_uvicorn_is_there() -> None:
    """Private parts: when this fails after an upgrade, read `gate.py` and `serve.py` against the new version."""
    version = tuple(int(part) for part in uvicorn_package.__version__.split(".")[:3])
    assert (0, 52, 4) <= version < (0, 55), "try the new uvicorn, then move the bound in pyproject"
    assert list(inspect.signature(HttpToolsProtocol.__init__).parameters) == [
        "self", "config", "server_state", "app_state", "_loop"
    ]  # fmt: skip
    made = HttpToolsProtocol.__init__.__code__.co_names
    for name in ("parser", "ws_protocol_class", "root_path", "asgi_version", "connections", "tasks", "transport",
                 "scope", "headers", "scheme", "app", "loop"):  # fmt: skip
        assert name in made, f"HttpToolsProtocol has no {name}"
    for name in ("connection_made", "connection_lost", "data_received", "on_message_begin", "on_url", "on_header",
                 "on_headers_complete", "on_message_complete", "handle_websocket_upgrade", "_get_upgrade",
                 "_should_upgrade", "_unset_keepalive_if_required"):  # fmt: skip
        assert callable(getattr(HttpToolsProtocol, name, None)), f"HttpToolsProtocol.{name} is gone"
    # An answer is handed over by what stands in the place of its transport, and is not looked after any more.
    cycle = RequestResponseCycle.__init__.__code__.co_names
    for name in ("scope", "transport", "disconnected", "response_started", "chunked_encoding"):
        assert name in cycle, f"RequestResponseCycle has no {name}"
    sending = inspect.getsource(RequestResponseCycle.send)
    assert "if self.flow.write_paused and not self.disconnected:" in sending
    assert "if self.chunked_encoding is None and" in sending
    assert sending.index("self.transport.write(") < sending.index("elif not self.response_complete")
    assert "not self.response_complete and not self.disconnected" in inspect.getsource(RequestResponseCycle.run_asgi)
    upgrade = inspect.getsource(HttpToolsProtocol.handle_websocket_upgrade)
    assert "self.ws_protocol_class(" in upgrade
    assert "transport.set_protocol(protocol)" in upgrade
    assert "await self.app(self.scope, self.receive, self.send)" in inspect.getsource(WebSocketsSansIOProtocol.run_asgi)


@pytest.mark.parametrize("path", PATHS)
async def test_a_reader_long_behind_gets_a_state_rather_than_a_history(running: Any, until: Any, path: str) -> None:
    running.pump.conflate_ms = 0
    async with stalled(running.url, path) as line:
        await until(lambda: running.hub.readers == 1)
        (reader,) = running.feed.readers
        while not reader.busy_since:
            await running.tell("post.published", LARGE)
            await asyncio.sleep(0.001)
        for _ in range(30):  # all still in the ring, and more than a snapshot shows
            await running.tell("post.published", "small")
        last = (await running.tell())["seq"]
        seen: list[tuple[str, int]] = []
        async with asyncio.timeout(10):
            async for message in messages(line):
                seen.append((message["type"], message.get("seq", 0)))
                if message.get("seq") == last:
                    break

    assert seen[-1] == ("snapshot", last)
    assert running.feed.floor == 0


LARGE_BYTES = 8_000_000  # more than two kernels' buffers


async def large(_request: Request) -> Response:
    return Response(b"x" * LARGE_BYTES)


async def test_an_upgrade_behind_an_answer_that_is_still_leaving_waits_for_it(running: Any, until: Any) -> None:
    """The transport holds bytes that the reader's own must not overtake."""
    running.app.router.routes.append(Route("/large", large))
    async with talk(running.url) as (reader, writer), asyncio.timeout(10):
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.2)  # answered, but not taken
        writer.write(request())
        await until(lambda: running.hub.readers == 1)
        (late,) = running.feed.readers
        assert late.transport.get_write_buffer_size() > 1_000_000
        reader._transport.resume_reading()  # type: ignore[attr-defined]

        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        for _ in range(100):
            assert await reader.readexactly(LARGE_BYTES // 100) == b"x" * (LARGE_BYTES // 100)
            await running.tell("post.published", "late")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        rest = b""
        while rest.count(b'"late"') < 100:
            rest += await reader.read(65536)
        kinds = re.findall(rb'"type": ?"([a-z.]+)"', rest)
        assert kinds[:102] == [b"hello", b"snapshot", *[b"post.published"] * 100]


async def test_an_upgrade_before_the_answer_to_the_last_request_is_refused(running: Any) -> None:
    never = asyncio.Event()

    async def slow(_request: Request) -> Response:
        await never.wait()
        return Response()

    running.app.router.routes.append(Route("/slow", slow))

    status, whole = await answer(running.url, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + request())

    assert (status, whole) == (0, b"")
    assert running.hub.readers == 0
    never.set()


class _Wire:
    """What leaves, as often as it is written."""

    def __init__(self) -> None:
        self.left: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.left.append(data)

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def test_head_and_body_leave_as_one_and_nothing_waits_longer_than_a_turn() -> None:
    wire = _Wire()
    outlet = gate.Outlet(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
    outlet.write(b"head ")
    outlet.write(b"body")
    assert wire.left == [b"head body"]
    outlet.write(b"head alone")
    outlet.write(b"")  # an answer without a body
    assert wire.left[1:] == [b"head alone"]
    outlet.write(b"head early")
    await asyncio.sleep(0)
    assert wire.left[2:] == [b"head early"]  # its body is not at hand
    outlet.write(b"last")
    outlet.close()
    assert wire.left[3:] == [b"last"]
    lost = gate.Outlet(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
    lost.write(b"to nobody")
    await asyncio.sleep(0)
    assert wire.left[4:] == []
