"""Nobody waits for the slowest: a stalled line costs a bound, is brought up to date when it drains, or is cut off."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from stoppress.hub.feed import Limits
from stoppress.hub.hub import Hub
from stoppress.transport.drain import drain
from stoppress.transport.pump import Pump
from streams import make_app, uvicorn_world

PATHS = ["/live/a/ws", "/live/a/events"]
LARGE = base64.b64encode(os.urandom(60_000)).decode()


@contextlib.asynccontextmanager
async def stalled(url: str, path: str = "/live/a/ws", headers: str = "") -> AsyncIterator[socket.socket]:
    """A line whose reader opened it and takes nothing, with the smallest window there is."""
    host, _, port = url.removeprefix("http://").partition(":")
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, (host, int(port)))
    handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    handshake += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    upgrade = handshake if path.endswith("/ws") else ""
    await loop.sock_sendall(line, f"GET {path} HTTP/1.1\r\nHost: a\r\n{upgrade}{headers}\r\n".encode())
    try:
        yield line
    finally:
        line.close()


async def messages(line: socket.socket) -> AsyncIterator[dict[str, Any]]:
    """Everything the line holds and gets, once its reader wakes up."""
    loop = asyncio.get_running_loop()
    head = b""
    while b"\r\n\r\n" not in head:
        head += await loop.sock_recv(line, 1)
    if b"text/event-stream" in head:
        said = b""
        while data := await loop.sock_recv(line, 65536):
            *blocks, said = (said + data).split(b"\n\n")
            for block in blocks:
                for found in re.findall(rb"^data: (.*)$", block, re.MULTILINE):
                    yield json.loads(found)
        return
    protocol = ClientProtocol(parse_uri("ws://a/"), max_size=None)
    protocol.state = protocol.state.OPEN
    protocol.parser = protocol.parse()
    next(protocol.parser)
    while data := await loop.sock_recv(line, 65536):
        protocol.receive_data(data)
        for frame in protocol.events_received():
            if frame.opcode is Opcode.TEXT:
                yield json.loads(frame.data)


@pytest.mark.parametrize("path", PATHS)
async def test_a_stalled_line_delays_nobody_and_is_cut_off(uvicorn: Any, until: Any, path: str) -> None:
    """1 s here, 30 s in life; nothing was queued for it meanwhile."""
    async with uvicorn.line() as quick, stalled(uvicorn.url, path):
        await quick.opened()
        await until(lambda: uvicorn.hub.readers == 2)
        for _ in range(200):
            told = await uvicorn.tell("post.published", LARGE)
            assert await quick.receive() == told

        await until(lambda: uvicorn.hub.readers == 1)
        assert uvicorn.hub.counts.cuts == 1
        told = await uvicorn.tell()
        assert await quick.receive() == told


@pytest.mark.parametrize("path", PATHS)
async def test_a_line_that_drains_again_is_brought_to_the_latest_state(uvicorn: Any, until: Any, path: str) -> None:
    """What it missed is conflated into one snapshot: every seq once in order, or a snapshot, never a hole."""
    async with stalled(uvicorn.url, path) as line:
        await until(lambda: uvicorn.hub.readers == 1)
        (reader,) = uvicorn.feed.readers
        while uvicorn.feed.floor <= reader.seq or not reader.busy_since:  # the ring has passed it by
            await uvicorn.tell("post.published", LARGE)
            await asyncio.sleep(0.001)
        last = (await uvicorn.tell())["seq"]

        seqs: list[int] = []
        kinds: list[str] = []
        async with asyncio.timeout(10):
            async for message in messages(line):
                if message["type"] == "snapshot" or message["type"].startswith("post."):
                    seqs.append(message["seq"])
                    kinds.append(message["type"])
                if seqs and seqs[-1] == last:
                    break

    assert kinds[0] == "snapshot"
    assert kinds.count("snapshot") == 2
    for earlier, later, kind in zip(seqs, seqs[1:], kinds[1:], strict=False):
        assert later == earlier + 1 or kind == "snapshot"
    assert len(seqs) < last


async def test_a_reader_that_talks_while_its_line_is_stuck_is_still_heard(uvicorn: Any, until: Any) -> None:
    async with stalled(uvicorn.url) as line:
        await until(lambda: uvicorn.hub.readers == 1)
        (reader,) = uvicorn.feed.readers
        while not reader.busy_since or reader.seq == uvicorn.feed.seq:
            await uvicorn.tell("post.published", LARGE)
            await asyncio.sleep(0.001)
        rude = b"\x81\x83\x00\x00\x00\x00abc"  # a masked text frame

        await asyncio.get_running_loop().sock_sendall(line, rude)

        await until(lambda: uvicorn.hub.readers == 0)
        assert uvicorn.hub.counts.rude == 1
        assert uvicorn.hub.counts.cuts == 0


@pytest.mark.parametrize("path", PATHS)
async def test_a_drain_does_not_wait_for_a_stalled_line(uvicorn: Any, until: Any, path: str) -> None:
    async with stalled(uvicorn.url, path), uvicorn.line() as quick:
        await quick.opened()
        await until(lambda: uvicorn.hub.readers == 2)
        while all(reader.seq == uvicorn.feed.seq for reader in uvicorn.feed.readers):
            told = await uvicorn.tell("post.published", LARGE)
            assert await quick.receive() == told

        draining = asyncio.create_task(drain(uvicorn.pump, 0.1))

        assert (await quick.receive())["type"] == "bye"
        assert await quick.closed() == 1012
        await draining
        assert uvicorn.hub.readers == 0


@pytest.fixture
async def handed(stream_settings: Any) -> AsyncIterator[Any]:
    hub = Hub(Limits(backlog=5), send_timeout_s=1, beat_s=60)
    app = make_app(stream_settings, hub, pump=Pump(hub, sweep_s=0.02, look_turns=1))
    async with uvicorn_world(app, stream_settings) as running:
        yield running


@pytest.mark.parametrize("path", PATHS)
async def test_a_line_that_acknowledges_nothing_is_cut_off_even_if_the_kernel_took_all(
    handed: Any, until: Any, path: str
) -> None:
    """20 KB fit into the kernel's buffers, so nothing ever has to wait here."""
    async with stalled(handed.url, path):
        await until(lambda: handed.hub.readers == 1)
        (reader,) = handed.feed.readers
        await handed.tell("post.published", LARGE[:20_000])
        assert not reader.busy_since

        await until(lambda: handed.hub.readers == 0)
        assert handed.hub.counts.cuts == 1


@pytest.mark.parametrize("path", PATHS)
async def test_who_takes_a_little_now_and_then_is_kept(handed: Any, until: Any, path: str) -> None:
    """Three times as long as a line that takes nothing; each sip is a few hundred ms after the last."""
    async with stalled(handed.url, path) as line:
        await until(lambda: handed.hub.readers == 1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < 3:
            await handed.tell("post.published", LARGE[:20_000])
            await asyncio.sleep(0.3)
            for _ in range(4):
                await loop.sock_recv(line, 1024)

        assert handed.hub.readers == 1
        assert handed.hub.counts.cuts == 0
