"""Leaving: still accepting for the notice time, nobody in the queue forgotten, and readers sent away in waves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from statistics import quantiles
from typing import Any

import httpx
import pytest
import websockets
from test_workers import Many, all_of, many
from websockets.asyncio.client import connect

from stoppress.hub.feed import Limits
from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport import drain
from streams import WAYS, make_app, tell
from support import until

READERS = 120


async def test_notice_is_given_before_anyone_is_turned_away_at_the_port() -> None:
    async with many(workers=1, notice_s=1.5) as server, connect(server.socket_url, proxy=None) as line:
        await line.recv()
        began = asyncio.get_running_loop().time()
        server.process.terminate()

        await until(lambda: answers(server, "/readyz", 503))
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(server.socket_url, proxy=None)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        assert (await server.get("/pid")).status_code == 200

        assert '"bye"' in (await all_of(line))[-1]
        assert asyncio.get_running_loop().time() - began >= 1.5
        assert await server.ended() == 0


async def answers(server: Many, path: str, status: int) -> bool:
    return (await server.get(path)).status_code == status


@pytest.mark.parametrize("way", ["stop", "reload", "crash"])
async def test_who_is_queued_when_a_worker_leaves_is_answered(way: str) -> None:
    """The worker stands still while they connect, so none of them can have been accepted before."""
    async with many(workers=1) as server:
        (pid,) = await server.answering(1)
        os.kill(pid, signal.SIGSTOP)
        host, port = server.url.removeprefix("http://").split(":")
        asking = []
        for _ in range(30):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n")
            asking.append((reader, writer))

        if way == "crash":
            os.kill(pid, signal.SIGKILL)
        else:
            server.process.send_signal(signal.SIGTERM if way == "stop" else signal.SIGHUP)
            if way == "reload":
                await until(lambda: len(server.pids()) == 2)
            os.kill(pid, signal.SIGCONT)

        for reader, writer in asking:
            async with asyncio.timeout(10):
                assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
            writer.close()


@pytest.mark.parametrize("way", ["stop", "reload"])
async def test_a_stream_hears_goodbye_from_a_worker_that_leaves(way: str) -> None:
    async with many(workers=1) as server:
        (pid,) = await server.answering(1)
        async with (
            httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=10) as client,
            client.stream("GET", "/live/a/events") as stream,
        ):
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("event: snapshot"):
                pass
            server.process.send_signal(signal.SIGTERM if way == "stop" else signal.SIGHUP)
            rest = [line async for line in lines]  # raises if the answer is cut short

        said = [line for line in rest if line.startswith("event: ")]
        assert [line for line in said if line != "event: readers"] == ["event: bye"]
        if way == "stop":
            assert await server.ended() == 0
        else:
            await until(lambda: server.pids() and pid not in server.pids())


async def test_readers_leave_in_waves_and_miss_nothing() -> None:
    """With a tenth of the usual pace, so that few readers do."""
    loop = asyncio.get_running_loop()
    settings = Settings(port=0, drain_s=2, stop_timeout_s=1)
    async with WAYS["handed"](make_app(settings, Hub(Limits(backlog=5))), settings) as world:
        lines = [await connect(world.url.replace("http", "ws") + "/live/a/ws", proxy=None) for _ in range(READERS)]
        ends: list[tuple[float, int, list[int]]] = []

        async def follow(line: Any) -> None:
            said = [json.loads(message) for message in await all_of(line)]
            seqs = [message["seq"] for message in said if message["type"].startswith("post.")]
            assert said[-1]["type"] == "bye"
            assert line.close_code == 1012
            ends.append((loop.time(), said[-1]["retry_ms"], seqs))

        following = [asyncio.create_task(follow(line)) for line in lines]
        began = loop.time()
        draining = asyncio.create_task(drain.drain(world.pump, settings.drain_s, leaving_per_s=50, wave=5))
        told = 0
        while not draining.done():
            tell(world.feed)
            told += 1
            await asyncio.sleep(0.05)
        await asyncio.gather(*following)

        times = [end - began for end, _, _ in ends]
        early, _, late = quantiles(times, n=4)
        assert early < 1 < late, "half of them by half time"
        assert max(times) < settings.drain_s + 1
        assert len({retry_ms for _, retry_ms, _ in ends}) > READERS / 5 / 2, "each wave comes back at a time of its own"
        assert all(seqs == list(range(1, len(seqs) + 1)) for _, _, seqs in ends), "up to the last moment"
        assert max(len(seqs) for _, _, seqs in ends) > told / 2


async def test_one_reader_is_let_go_at_once(world: Any) -> None:
    async def leave() -> float:
        began = asyncio.get_running_loop().time()
        await drain.drain(world.pump, 20)
        return asyncio.get_running_loop().time() - began

    async with world.line() as line:
        await line.opened()
        leaving = asyncio.create_task(world.do(leave))
        assert await line.closed() == 1012
        assert await leaving < 1
